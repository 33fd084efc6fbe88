const MIN_CAPACITY_BYTES = 4096;

/**
 * Bytes in order, in one block that doubles when it is full: many small writes cost their bytes and no objects. Its
 * owner bounds it; this class does not.
 */
export class ByteQueue {
  #block = new Uint8Array(MIN_CAPACITY_BYTES);
  #start = 0;
  #end = 0;

  get lengthBytes(): number {
    return this.#end - this.#start;
  }

  push(bytes: Uint8Array): void {
    if (this.#end + bytes.length > this.#block.length) this.#makeRoom(bytes.length);
    this.#block.set(bytes, this.#end);
    this.#end += bytes.length;
  }

  /** Forgets the first `count` bytes, all of them at most. */
  drop(count: number): void {
    this.#start += count;
    if (this.#start < this.#end) return;
    this.#start = 0;
    this.#end = 0;
    if (this.#block.length > MIN_CAPACITY_BYTES) this.#block = new Uint8Array(MIN_CAPACITY_BYTES);
  }

  /** A copy of `count` bytes from `position` on, counted from the first that is kept. */
  copy(position: number, count: number): Uint8Array {
    return this.#block.slice(this.#start + position, this.#start + position + count);
  }

  /** Moves to the front, of a block twice as large unless a quarter of this one is free: moving stays rare. */
  #makeRoom(countBytes: number): void {
    const kept = this.#block.subarray(this.#start, this.#end);
    let capacityBytes = this.#block.length;
    while (kept.length + countBytes > capacityBytes * 0.75) capacityBytes *= 2;
    if (capacityBytes > this.#block.length) this.#block = new Uint8Array(capacityBytes);
    // Within one block the two may overlap, which `set` allows for.
    this.#block.set(kept);
    this.#start = 0;
    this.#end = kept.length;
  }
}

import { needlesOf, type SecretValue } from "../program/encodings.ts";

/** A secret that was found where none may be. */
export interface Leak {
  readonly where: string;
  readonly secret: string;
  /** What was found, hidden but for its length: a report is no place for secrets either. */
  readonly found: string;
}

interface Needle {
  readonly secret: string;
  readonly bytes: Buffer;
}

/** Looks for many texts at once: a bit for each group of three bytes that begins one, and a comparison where a bit is set. */
export class NeedleScan {
  readonly #needles = new Map<number, Needle[]>();
  readonly #bits = new Uint8Array(2 ** 24 / 8);
  readonly #longestBytes: number;
  readonly #leaks: Leak[] = [];
  #scannedBytes = 0;

  constructor(secrets: readonly SecretValue[]) {
    const needles = secrets.flatMap((secret) =>
      needlesOf(secret).map((bytes): Needle => ({ secret: secret.name, bytes })),
    );
    for (const needle of needles) {
      const key = keyAt(needle.bytes, 0);
      const others = this.#needles.get(key) ?? [];
      this.#needles.set(key, [...others, needle]);
      this.#bits[key >> 3] = (this.#bits[key >> 3] ?? 0) | (1 << (key & 7));
    }
    this.#longestBytes = Math.max(3, ...needles.map(({ bytes }) => bytes.length));
  }

  get leaks(): readonly Leak[] {
    return this.#leaks;
  }

  get scannedBytes(): number {
    return this.#scannedBytes;
  }

  /** Looks through pieces of one text that follow each other. */
  stream(where: string): (piece: Uint8Array) => void {
    let rest = Buffer.alloc(0);
    return (piece) => {
      const bytes = Buffer.concat([rest, piece]);
      this.#scan(where, bytes);
      this.#scannedBytes += piece.length;
      rest = bytes.subarray(Math.max(0, bytes.length - this.#longestBytes + 1));
    };
  }

  scan(where: string, bytes: Uint8Array): void {
    this.#scannedBytes += bytes.length;
    this.#scan(where, Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength));
  }

  #scan(where: string, bytes: Buffer): void {
    let key = ((bytes[0] ?? 0) << 8) | (bytes[1] ?? 0);
    for (let at = 2; at < bytes.length; at += 1) {
      key = ((key << 8) | (bytes[at] ?? 0)) & 0xffffff;
      if (((this.#bits[key >> 3] ?? 0) & (1 << (key & 7))) !== 0)
        this.#compare(where, bytes, at - 2, key);
    }
  }

  #compare(where: string, bytes: Buffer, at: number, key: number): void {
    for (const { secret, bytes: needle } of this.#needles.get(key) ?? []) {
      if (at + needle.length > bytes.length) continue;
      if (bytes.compare(needle, 0, needle.length, at, at + needle.length) !== 0) continue;
      const found = `${needle.length} bytes at ${at}`;
      const isKnown = this.#leaks.some((leak) => leak.where === where && leak.secret === secret);
      if (!isKnown) this.#leaks.push({ where, secret, found });
    }
  }
}

const keyAt = (bytes: Uint8Array, at: number): number =>
  ((bytes[at] ?? 0) << 16) | ((bytes[at + 1] ?? 0) << 8) | (bytes[at + 2] ?? 0);

import { Socket } from "node:net";
import type { LogStream } from "@hodei/domain";
import type { AttemptOutput } from "./attempt-run.ts";
import type { WorkerClock } from "./clock.ts";

/** The read ends of an attempt's two pipes; closed by the reader. */
export interface OutputDescriptors {
  readonly stdout: number;
  readonly stderr: number;
}

/**
 * Reads both pipes of an attempt as bytes, in the order in which they arrive, and stops reading while the output takes
 * no more, which in the end blocks the writing process.
 */
export class OutputReader {
  /** Resolves when both pipes are at their end or were closed. */
  readonly closed: Promise<void>;
  readonly #clock: WorkerClock;
  readonly #output: AttemptOutput;
  readonly #sockets: readonly Socket[];
  #isPaused = false;
  #isClosed = false;
  #leftMs = Number.POSITIVE_INFINITY;
  #countingSinceMs = 0;
  #stopCounting = (): void => {};

  constructor(clock: WorkerClock, descriptors: OutputDescriptors, output: AttemptOutput) {
    this.#clock = clock;
    this.#output = output;
    const opened = [
      this.#open(descriptors.stdout, "stdout"),
      this.#open(descriptors.stderr, "stderr"),
    ];
    this.#sockets = opened.map(({ socket }) => socket);
    this.closed = Promise.all(opened.map(({ end }) => end)).then(() => {
      this.#isClosed = true;
      this.#stopCounting();
    });
  }

  resume(): void {
    if (!this.#isPaused) return;
    this.#isPaused = false;
    for (const socket of this.#sockets) socket.resume();
    this.#count();
  }

  /**
   * Closes both pipes after `ms` more of reading, for when a process that cannot be found keeps one open. Time in which
   * reading is paused does not count: what the attempt wrote before its end is read, however long that takes.
   */
  closeAfter(ms: number): void {
    this.#leftMs = ms;
    if (!this.#isPaused) this.#count();
  }

  #open(fd: number, stream: LogStream): { socket: Socket; end: Promise<void> } {
    const socket = new Socket({ fd, readable: true, writable: false });
    const end = new Promise<void>((resolve) => {
      socket.on("data", (bytes: Buffer) => {
        if (!this.#output.write(stream, bytes)) this.#pause();
      });
      // A pipe has no read errors that tell more than its end does.
      socket.on("error", () => socket.destroy());
      socket.once("close", () => resolve());
    });
    return { socket, end };
  }

  #pause(): void {
    if (this.#isPaused) return;
    this.#isPaused = true;
    for (const socket of this.#sockets) socket.pause();
    this.#stopCounting();
    if (Number.isFinite(this.#leftMs)) {
      this.#leftMs -= this.#clock.monotonicMs() - this.#countingSinceMs;
    }
  }

  #count(): void {
    if (this.#isClosed || !Number.isFinite(this.#leftMs)) return;
    this.#countingSinceMs = this.#clock.monotonicMs();
    this.#stopCounting = this.#clock.startTimer(this.#leftMs, () => {
      for (const socket of this.#sockets) socket.destroy();
    });
  }
}

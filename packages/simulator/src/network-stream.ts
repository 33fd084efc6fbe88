import type { Hello, ServerMessage, WorkerId, WorkerMessage } from "@hodei/domain";
import { Inbox } from "./inbox.ts";
import type { RandomStream } from "./random.ts";
import type { VirtualClock } from "./virtual-clock.ts";

const QUICK_MS = 5;
const SLOW_MS = 400;
const SLOW_PROBABILITY = 0.03;
/** A worker finds a peer that no longer answers by pings: an interval of 5 s and a time-out of 5 s. */
const SILENCE_FOUND_MIN_MS = 5_000;
export const SILENCE_FOUND_MAX_MS = 10_000;

/** Told to the worker's end of a stream. */
export interface WorkerEnd {
  onMessage(message: ServerMessage): void;
  /** Comes once. */
  onClose(reason: "closed" | "refused"): void;
}

/**
 * One session's stream. Each direction keeps its order and may be late; at any moment the whole stream may be lost, with
 * what is on its way, and each end learns of that later or by silence only.
 */
export class NetworkStream {
  readonly workerId: WorkerId;
  readonly hello: Hello;
  /** What the server's end reads. */
  readonly incoming = new Inbox<WorkerMessage>();
  readonly #clock: VirtualClock;
  readonly #random: RandomStream;
  #workerEnd: WorkerEnd | undefined;
  #isLost = false;
  #toServerAtMs = 0;
  #toWorkerAtMs = 0;

  constructor(
    parts: { readonly clock: VirtualClock; readonly random: RandomStream },
    facts: { readonly workerId: WorkerId; readonly hello: Hello; readonly workerEnd: WorkerEnd },
  ) {
    this.#clock = parts.clock;
    this.#random = parts.random;
    this.workerId = facts.workerId;
    this.hello = facts.hello;
    this.#workerEnd = facts.workerEnd;
  }

  /** False once nothing gets through any more, whether or not the ends know. */
  get isIntact(): boolean {
    return !this.#isLost && this.#workerEnd !== undefined;
  }

  sendToServer(message: WorkerMessage): void {
    this.#toServer(() => this.incoming.push(message));
  }

  sendToWorker(message: ServerMessage): void {
    this.#toWorker(() => this.#workerEnd?.onMessage(message));
  }

  /** The server ends the stream, after what it has sent. */
  endByServer(reason: "closed" | "refused"): void {
    this.incoming.end();
    this.#toWorker(() => this.#closeWorkerEnd(reason));
  }

  /** The worker ends the stream, after what it has sent. */
  endByWorker(): void {
    this.#workerEnd = undefined;
    this.#toServer(() => this.incoming.end());
  }

  /** Lost, and both ends are told soon. */
  reset(): void {
    if (this.#isLost) return;
    this.#isLost = true;
    this.#clock.schedule(this.#delayMs(), () => this.incoming.end());
    this.#clock.schedule(this.#delayMs(), () => this.#closeWorkerEnd("closed"));
  }

  /** Lost, and nobody is told: the server waits in vain, the worker finds out by its pings. */
  silence(): void {
    if (this.#isLost) return;
    this.#isLost = true;
    const foundMs = this.#random.integer(SILENCE_FOUND_MIN_MS, SILENCE_FOUND_MAX_MS);
    this.#clock.schedule(foundMs, () => this.#closeWorkerEnd("closed"));
  }

  /** Nothing arrives for `ms`; then everything does, in order. */
  stall(ms: number): void {
    const untilMs = this.#clock.elapsedMs + ms;
    this.#toServerAtMs = Math.max(this.#toServerAtMs, untilMs);
    this.#toWorkerAtMs = Math.max(this.#toWorkerAtMs, untilMs);
  }

  #toServer(deliver: () => void): void {
    this.#toServerAtMs = this.#arrivalMs(this.#toServerAtMs);
    this.#deliverAt(this.#toServerAtMs, deliver);
  }

  #toWorker(deliver: () => void): void {
    this.#toWorkerAtMs = this.#arrivalMs(this.#toWorkerAtMs);
    this.#deliverAt(this.#toWorkerAtMs, deliver);
  }

  #arrivalMs(earliestMs: number): number {
    return Math.max(earliestMs, this.#clock.elapsedMs + this.#delayMs());
  }

  #deliverAt(atMs: number, deliver: () => void): void {
    this.#clock.schedule(atMs - this.#clock.elapsedMs, () => {
      if (!this.#isLost) deliver();
    });
  }

  #delayMs(): number {
    return this.#random.integer(1, this.#random.chance(SLOW_PROBABILITY) ? SLOW_MS : QUICK_MS);
  }

  #closeWorkerEnd(reason: "closed" | "refused"): void {
    const end = this.#workerEnd;
    this.#workerEnd = undefined;
    end?.onClose(reason);
  }
}

import type { AttemptRef, AttemptReport, JobSpec, Outcome, WorkerMessage } from "@hodei/domain";
import { fromSpec, marked, outputOf, type Program } from "./program.ts";

/** What was sent and is not acked within this long is sent again on the same session. */
const RESEND_AFTER_MS = 10_000;
const MAX_BATCH_BYTES = 512;

/**
 * One attempt on a worker, from its assignment until its result is acked. What is to be said about it follows from its
 * state whenever the session asks: the start, then the log, then the result.
 */
export class SimulatedAttempt {
  readonly ref: AttemptRef;
  readonly program: Program;
  readonly spec: JobSpec;
  #report: AttemptReport | undefined;
  #isStartDue = true;
  #writtenBytes = 0;
  #sentBytes = 0;
  #ackedBytes = 0;
  #progressAtMs = 0;
  #reportSentAtMs = Number.NEGATIVE_INFINITY;

  constructor(ref: AttemptRef, spec: JobSpec) {
    this.ref = ref;
    this.spec = spec;
    this.program = fromSpec(spec);
  }

  get isRunning(): boolean {
    return this.#report === undefined;
  }

  /** The program has written all of its output below `offset`. */
  write(offset: number): void {
    if (this.isRunning) this.#writtenBytes = Math.max(this.#writtenBytes, offset);
  }

  /** The processes have ended. Returns the report, or `undefined` if they had before: the first end counts. */
  end(outcome: Omit<Outcome, "message">): AttemptReport | undefined {
    if (!this.isRunning) return undefined;
    const { ref } = this;
    const logBytes = this.#writtenBytes;
    this.#report = { ref, outcome: marked(outcome, ref), logBytes, processesLeft: 0, usage: null };
    return this.#report;
  }

  /** The server wants to hear again that the attempt is here. */
  repeatStart(): void {
    this.#isStartDue = true;
  }

  /** All of the log below `offset` is durable. */
  ackLog(offset: number, nowMs: number): void {
    if (offset <= this.#ackedBytes) return;
    this.#ackedBytes = offset;
    this.#sentBytes = Math.max(this.#sentBytes, offset);
    this.#progressAtMs = nowMs;
  }

  /** On a new session, where nothing is on its way: says all again that is not acked. */
  restart(durableOffset: number, nowMs: number): void {
    this.ackLog(durableOffset, nowMs);
    this.#sentBytes = this.#ackedBytes;
    this.#isStartDue = true;
    this.#reportSentAtMs = Number.NEGATIVE_INFINITY;
  }

  /** What is to be said now, if anything. */
  nextMessage(now: Date, nowMs: number): WorkerMessage | undefined {
    const { ref } = this;
    if (this.#isStartDue) {
      this.#isStartDue = false;
      return { type: "attempt_started", ref };
    }
    const isInFlight = this.#sentBytes > this.#ackedBytes;
    if (isInFlight && nowMs - this.#progressAtMs >= RESEND_AFTER_MS) {
      this.#sentBytes = this.#ackedBytes;
    }
    if (this.#sentBytes < this.#writtenBytes) return this.#nextBatch(now, nowMs);
    const isReportDue = nowMs - this.#reportSentAtMs >= RESEND_AFTER_MS;
    if (this.#report === undefined || !isReportDue) return undefined;
    this.#reportSentAtMs = nowMs;
    return { type: "attempt_finished", report: this.#report };
  }

  #nextBatch(at: Date, nowMs: number): WorkerMessage {
    const { ref } = this;
    const offset = this.#sentBytes;
    const end = Math.min(this.#writtenBytes, offset + MAX_BATCH_BYTES);
    if (this.#sentBytes === this.#ackedBytes) this.#progressAtMs = nowMs;
    this.#sentBytes = end;
    const lengthBytes = end - offset;
    const segments = [{ stream: "stdout" as const, lengthBytes, at, gap: null }];
    return {
      type: "log_batch",
      batch: { ref, offset, data: outputOf(ref, offset, end), segments, compression: "none" },
    };
  }
}

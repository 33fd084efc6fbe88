import type { AttemptRef, AttemptReport, Outcome, WorkerMessage } from "@hodei/domain";
import { AttemptLog } from "./attempt-log.ts";
import type { AttemptRun, AttemptSpec, StartAttempt } from "./attempt-run.ts";
import type { WorkerClock } from "./clock.ts";
import { type BatchLimits, batchDueAtMs } from "./log-batcher.ts";

/** What a worker says about an attempt. */
export type AttemptMessage = Extract<
  WorkerMessage,
  { type: "attempt_started" | "attempt_refused" | "log_batch" | "attempt_finished" }
>;

/**
 * What was sent and is not acked within this long is sent again on the same session: a server may lose an ack or fail
 * to store a batch. The server stores repeats once, so a resend that was not needed costs only bytes.
 */
export const RESEND_AFTER_MS = 10_000;

export interface HeldAttemptDeps {
  readonly clock: WorkerClock;
  readonly startAttempt: StartAttempt;
  readonly batchLimits: BatchLimits;
  /** See `AttemptLog`. */
  readonly maxUnackedBytes: number;
  /** Called whenever there may be something new to say. */
  readonly onChange: () => void;
}

/**
 * One attempt from its assignment until its result is acked.
 *
 * What is to be said about it is worked out from its state whenever the session asks, never queued: so nothing piles up
 * while there is no session, and a new session says exactly what the server does not know yet.
 */
export class HeldAttempt {
  readonly ref: AttemptRef;
  readonly #deps: HeldAttemptDeps;
  readonly #log: AttemptLog;
  readonly #run: AttemptRun;
  #report: AttemptReport | undefined;
  #isStartDue = true;
  #isAbandoned = false;
  #batchSentAtMs = Number.NEGATIVE_INFINITY;
  /** When the log last moved: the first batch in flight was sent, or an ack came. */
  #progressAtMs = 0;
  #reportSentAtMs = Number.NEGATIVE_INFINITY;

  /** Starts the attempt. */
  constructor(deps: HeldAttemptDeps, ref: AttemptRef, spec: AttemptSpec) {
    this.ref = ref;
    this.#deps = deps;
    this.#log = new AttemptLog(deps.maxUnackedBytes);
    this.#run = deps.startAttempt(ref, spec, {
      write: (stream, bytes) => {
        if (this.#isAbandoned) return true;
        this.#log.append(stream, bytes, deps.clock.now());
        deps.onChange();
        return !this.#log.isFull;
      },
    });
  }

  /** Resolves with the report once the processes have ended. */
  async ended(): Promise<AttemptReport> {
    const { outcome, processesLeft } = await this.#run.ended;
    this.#report ??= { ref: this.ref, outcome, logBytes: this.#log.endOffset, processesLeft };
    this.#deps.onChange();
    return this.#report;
  }

  get isRunning(): boolean {
    return this.#report === undefined;
  }

  terminate(outcome: Outcome): void {
    this.#run.terminate(outcome);
  }

  kill(): void {
    this.#run.kill();
  }

  /** Nobody wants it any more: ends it without grace and drops what it still writes. */
  abandon(): void {
    this.#isAbandoned = true;
    this.#run.kill();
    this.#run.resumeOutput();
  }

  /** The server wants to hear again that the attempt is here. */
  repeatStart(): void {
    this.#isStartDue = true;
    this.#deps.onChange();
  }

  /** All of the log below `offset` is durable. */
  ackLog(offset: number): void {
    if (!this.#log.ack(offset)) return;
    this.#progressAtMs = this.#deps.clock.monotonicMs();
    if (!this.#log.isFull) this.#run.resumeOutput();
    this.#deps.onChange();
  }

  /** On a new session, where nothing is in flight: says all again that is not acked. */
  restart(durableOffset: number): void {
    this.ackLog(durableOffset);
    this.#log.rewind();
    this.#isStartDue = true;
    this.#batchSentAtMs = Number.NEGATIVE_INFINITY;
    this.#reportSentAtMs = Number.NEGATIVE_INFINITY;
    this.#deps.onChange();
  }

  /** Earliest instant (monotonic ms) at which `nextMessage` may have something; `Infinity`: after a change only. */
  dueAtMs(): number {
    if (this.#isStartDue) return Number.NEGATIVE_INFINITY;
    return Math.min(this.#batchDueAtMs(), this.#resendDueAtMs(), this.#reportDueAtMs());
  }

  /** What is to be said now: the start, then the log, then, when all of that is acked, the result. */
  nextMessage(): AttemptMessage | undefined {
    const { ref } = this;
    const nowMs = this.#deps.clock.monotonicMs();
    if (this.#isStartDue) {
      this.#isStartDue = false;
      return { type: "attempt_started", ref };
    }
    if (this.#resendDueAtMs() <= nowMs) this.#log.rewind();
    if (this.#batchDueAtMs() <= nowMs) return this.#nextBatch(nowMs);
    if (this.#report === undefined || this.#reportDueAtMs() > nowMs) return undefined;
    this.#reportSentAtMs = nowMs;
    return { type: "attempt_finished", report: this.#report };
  }

  #nextBatch(nowMs: number): AttemptMessage | undefined {
    const { sizeBytes, segmentCount } = this.#deps.batchLimits;
    if (!this.#log.isInFlight) this.#progressAtMs = nowMs;
    this.#batchSentAtMs = nowMs;
    const piece = this.#log.take(sizeBytes, segmentCount);
    return piece && { type: "log_batch", batch: { ref: this.ref, ...piece } };
  }

  #batchDueAtMs(): number {
    return batchDueAtMs(this.#log, this.#deps.batchLimits, {
      lastSentAtMs: this.#batchSentAtMs,
      isEnded: this.#report !== undefined,
    });
  }

  #resendDueAtMs(): number {
    return this.#log.isInFlight ? this.#progressAtMs + RESEND_AFTER_MS : Number.POSITIVE_INFINITY;
  }

  #reportDueAtMs(): number {
    if (this.#report === undefined || !this.#log.isAcked) return Number.POSITIVE_INFINITY;
    return this.#reportSentAtMs + RESEND_AFTER_MS;
  }
}

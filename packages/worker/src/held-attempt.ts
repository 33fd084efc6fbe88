import {
  type AttemptRef,
  type AttemptReport,
  type LogStream,
  type Outcome,
  outcomeOf,
  type WorkerMessage,
} from "@hodei/domain";
import type { Logger } from "pino";
import { AttemptLog } from "./attempt-log.ts";
import { type AttemptRun, type AttemptSpec, endedRun, type StartAttempt } from "./attempt-run.ts";
import type { WorkerClock } from "./clock.ts";
import { type BatchLimits, batchDueAtMs } from "./log-batcher.ts";
import { compressLog } from "./log-compression.ts";
import type { AttemptSpool } from "./spool/attempt-spool.ts";
import type { FoundAttempt, Spool } from "./spool/spool.ts";

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

/**
 * Log bytes of one attempt that are sent and not acked, at most; the rest waits in the spool. Keeps the connection and
 * the server free for others, and little has to be sent again after a reconnect.
 */
const MAX_IN_FLIGHT_BYTES = 2 * 1024 * 1024;
/**
 * How long a command whose spool is full waits for room before its output is left out (overflow `drop`). A server that
 * takes log at all makes room within this, so only an outage or a very slow network costs output.
 */
export const OVERFLOW_WAIT_MS = 5_000;

export interface HeldAttemptDeps {
  readonly clock: WorkerClock;
  readonly log: Logger;
  readonly startAttempt: StartAttempt;
  readonly batchLimits: BatchLimits;
  /** Of the log of an attempt whose spec names no limit. */
  readonly logLimitBytes: number;
  readonly spool: Spool;
  /** Called whenever there may be something new to say. */
  readonly onChange: () => void;
}

interface HeldAttemptParts {
  readonly ref: AttemptRef;
  readonly spool: AttemptSpool;
  readonly policy: AttemptSpec["logPolicy"];
  readonly begin: (held: HeldAttempt) => AttemptRun;
}

/** For logs that are whole: nothing is added to them. */
const NO_LIMIT = { maxBytes: Number.POSITIVE_INFINITY, overflow: "block" } as const;

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
  readonly #overflow: AttemptSpec["logPolicy"]["overflow"];
  #report: AttemptReport | undefined;
  #isStartDue = true;
  #isAbandoned = false;
  #hasSpoolFailed = false;
  /** Ends the wait for room in the spool. */
  #stopWaiting: (() => void) | undefined;
  #batchSentAtMs = Number.NEGATIVE_INFINITY;
  /** When the log last moved: the first batch in flight was sent, or an ack came. */
  #progressAtMs = 0;
  #reportSentAtMs = Number.NEGATIVE_INFINITY;

  /** Starts the attempt. */
  static start(deps: HeldAttemptDeps, ref: AttemptRef, spec: AttemptSpec): HeldAttempt {
    const begin = (held: HeldAttempt): AttemptRun =>
      deps.startAttempt(ref, spec, {
        write: (stream, bytes) => held.#isAbandoned || held.#write(stream, bytes),
      });
    return new HeldAttempt(deps, {
      ref,
      spool: deps.spool.create(ref),
      policy: spec.logPolicy,
      begin,
    });
  }

  /** Goes on telling about an attempt of an earlier worker, whose processes are gone. */
  static resume(deps: HeldAttemptDeps, { ref, spool, report }: FoundAttempt): HeldAttempt {
    const held = new HeldAttempt(deps, { ref, spool, policy: NO_LIMIT, begin: endedRun });
    held.#report = report ? { ...report, ref } : held.#reportLost();
    return held;
  }

  private constructor(deps: HeldAttemptDeps, parts: HeldAttemptParts) {
    this.ref = parts.ref;
    this.#deps = deps;
    this.#overflow = parts.policy.overflow;
    this.#log = new AttemptLog({
      spool: parts.spool,
      limitBytes: parts.policy.maxBytes ?? deps.logLimitBytes,
      onDropped: (bytes) => deps.spool.budget.countDropped(bytes),
      onSpoolError: (error) => this.#tellSpoolError(error),
    });
    this.#run = parts.begin(this);
  }

  /** Resolves with the report once the processes have ended. */
  async ended(): Promise<AttemptReport> {
    const { outcome, processesLeft, usage } = await this.#run.ended;
    if (this.#report !== undefined) return this.#report;
    this.#stopWaiting?.();
    if (!this.#isAbandoned) this.#log.finish();
    this.#report = { ref: this.ref, outcome, logBytes: this.#log.endOffset, processesLeft, usage };
    if (!this.#isAbandoned) this.#saveReport(this.#report);
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

  /** Nobody wants it any more: ends it without grace and drops what it wrote and still writes. */
  abandon(): void {
    this.#isAbandoned = true;
    this.#run.kill();
    this.#readOn();
    this.#log.remove();
  }

  /** The server needs nothing of it any more. */
  forget(): void {
    this.#log.remove();
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
    if (!this.#log.isFull) this.#readOn();
    this.#deps.onChange();
  }

  /** On a new session, where nothing is in flight: says all again that is not acked. `undefined`: the server did not say. */
  restart(durableOffset: number | undefined): void {
    if (durableOffset !== undefined) {
      this.ackLog(durableOffset);
      this.#log.goBack(durableOffset, this.#deps.clock.now());
    }
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

  /** What is to be said now: the start, then the log, then the result. */
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
    if (this.#log.inFlightBytes === 0) this.#progressAtMs = nowMs;
    this.#batchSentAtMs = nowMs;
    const piece = this.#log.take(sizeBytes, segmentCount);
    return (
      piece && {
        type: "log_batch",
        batch: { ref: this.ref, ...piece, ...compressLog(piece.data) },
      }
    );
  }

  /** Takes output in; whether more may be read. */
  #write(stream: LogStream, bytes: Uint8Array): boolean {
    const dueAtMs = this.#batchDueAtMs();
    this.#log.append(stream, bytes, this.#deps.clock.now());
    // What does not change when the next batch is due is nobody's business: most writes only make it longer.
    if (this.#batchDueAtMs() !== dueAtMs) this.#deps.onChange();
    if (!this.#log.isFull || this.#log.isLeavingOut) return true;
    if (this.#overflow === "drop") this.#startWaiting();
    return false;
  }

  #startWaiting(): void {
    this.#stopWaiting ??= this.#deps.clock.startTimer(OVERFLOW_WAIT_MS, () => {
      this.#log.startDropping();
      const { jobId, attempt } = this.ref;
      this.#deps.log.warn({ event: "attempt.log_dropped", jobId, attempt });
      this.#readOn();
    });
  }

  #readOn(): void {
    this.#stopWaiting?.();
    this.#stopWaiting = undefined;
    this.#run.resumeOutput();
  }

  #reportLost(): AttemptReport {
    const message = "The worker was restarted, and nobody saw the attempt end.";
    const outcome = outcomeOf("worker_lost", message);
    return { ref: this.ref, outcome, logBytes: this.#log.endOffset, processesLeft: 0, usage: null };
  }

  #saveReport(report: AttemptReport): void {
    try {
      this.#log.saveReport(report);
    } catch (error) {
      this.#tellSpoolError(error);
    }
  }

  /** Once: a disk that fails would fill the worker's own log too. */
  #tellSpoolError(err: unknown): void {
    if (this.#hasSpoolFailed) return;
    this.#hasSpoolFailed = true;
    const { jobId, attempt } = this.ref;
    this.#deps.log.error({ event: "attempt.spool_failed", jobId, attempt, err });
  }

  #batchDueAtMs(): number {
    if (this.#log.inFlightBytes >= MAX_IN_FLIGHT_BYTES) return Number.POSITIVE_INFINITY;
    return batchDueAtMs(this.#log, this.#deps.batchLimits, {
      lastSentAtMs: this.#batchSentAtMs,
      isEnded: this.#report !== undefined,
    });
  }

  #resendDueAtMs(): number {
    const isInFlight = this.#log.inFlightBytes > 0;
    return isInFlight ? this.#progressAtMs + RESEND_AFTER_MS : Number.POSITIVE_INFINITY;
  }

  #reportDueAtMs(): number {
    // The server takes it when it has stored what came before.
    if (this.#report === undefined || this.#log.unsentBytes > 0) return Number.POSITIVE_INFINITY;
    return this.#reportSentAtMs + RESEND_AFTER_MS;
  }
}

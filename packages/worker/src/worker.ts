import { type Component, outcomeOf } from "@hodei/domain";
import type { Logger } from "pino";
import type { AttemptTable } from "./attempt-table.ts";
import type { WorkerClock } from "./clock.ts";
import type { LoopEnd, SessionLoop } from "./session-loop.ts";

/** From SIGTERM to SIGKILL when the worker is stopped, however long a spec's own grace is: 10 s and a margin. */
const TERMINATE_TIMEOUT_MS = 15_000;
/** For processes to vanish and their last output to be read after SIGKILL. */
const KILL_TIMEOUT_MS = 5_000;
/** For the last log bytes and results to be acked once nothing runs. */
const REPORT_TIMEOUT_MS = 5_000;

/** A worker that has joined its server. */
export interface RunningWorker extends Pick<Component, "stop"> {
  /**
   * Resolves with the exit code when the worker has left: 0 in order; 1 refused by the server, killed, or something
   * was left behind, which the log tells. Rejects for bugs only.
   */
  readonly done: Promise<number>;
  /** Ends every process now and leaves; `done` is 1. */
  kill(): void;
}

export interface WorkerParts {
  readonly clock: WorkerClock;
  readonly log: Logger;
  readonly attempts: AttemptTable;
  readonly sessions: SessionLoop;
  readonly drainTimeoutMs: number;
  /** Called once, at the very end. */
  readonly release: () => Promise<void>;
}

/** The life of a worker from its first session to its exit. */
export class Worker implements RunningWorker {
  readonly done: Promise<number>;
  readonly #parts: WorkerParts;
  /** Aborts when what runs has no more time, and at the latest with `#over`. */
  readonly #hurry = new AbortController();
  /** Aborts when the worker has left, so that nothing is waited for any more. */
  readonly #over = new AbortController();
  readonly #killed = Promise.withResolvers<{ readonly kind: "killed" }>();
  #leaving: Promise<void> | undefined;

  constructor(parts: WorkerParts) {
    this.#parts = parts;
    this.done = this.#run();
  }

  /** Takes nothing new, waits without limit for what runs, and leaves. Repeats are safe. */
  drain(): void {
    this.#leaving ??= this.#leave();
  }

  /**
   * Leaves in bounded time: attempts may end within the drain time-out, are then terminated, and killed after 15 s
   * more; 5 s are left for their logs and results. Resolves when the worker has left. Repeats are safe.
   */
  async stop(): Promise<void> {
    this.drain();
    this.#hurry.abort();
    await this.done;
  }

  kill(): void {
    this.#parts.attempts.killAll();
    this.#killed.resolve({ kind: "killed" });
  }

  async #run(): Promise<number> {
    const { sessions, attempts, release } = this.#parts;
    try {
      const end = await Promise.race([sessions.run(), this.#killed.promise]);
      if (end.kind === "refused") await this.#giveUp(end);
      this.#reportLeft();
      return end.kind === "left" && attempts.isEmpty ? 0 : 1;
    } catch (error) {
      attempts.killAll();
      throw error;
    } finally {
      this.#over.abort();
      this.#hurry.abort();
      sessions.leave();
      await release();
    }
  }

  async #leave(): Promise<void> {
    const { attempts, sessions } = this.#parts;
    attempts.drain();
    await attempts.until(() => attempts.isEmpty, this.#hurry.signal);
    if (!attempts.isEmpty) await this.#finishInTime();
    sessions.leave();
  }

  async #finishInTime(): Promise<void> {
    const { attempts, drainTimeoutMs, log } = this.#parts;
    const hasEnded = (): boolean => attempts.runningCount === 0;
    if (!(await this.#within(drainTimeoutMs, hasEnded))) {
      log.warn({ event: "worker.attempts_terminated", attempts: attempts.runningCount });
      const message = "The worker was stopped before the attempt had ended.";
      attempts.terminateAll(outcomeOf("provider_reclaimed", message));
      if (!(await this.#within(TERMINATE_TIMEOUT_MS, hasEnded))) {
        attempts.killAll();
        await this.#within(KILL_TIMEOUT_MS, hasEnded);
      }
    }
    await this.#within(REPORT_TIMEOUT_MS, () => attempts.isEmpty);
  }

  /** Nobody will take what the attempts report, so they end here. */
  async #giveUp({ message }: Extract<LoopEnd, { kind: "refused" }>): Promise<void> {
    const { attempts, log } = this.#parts;
    log.error({
      event: "worker.refused",
      message: `the server refuses this worker: ${message}. If the worker was removed or its certificate has expired, start it with a new join token`,
    });
    attempts.killAll();
    await this.#within(KILL_TIMEOUT_MS, () => attempts.runningCount === 0);
  }

  #reportLeft(): void {
    const { attempts, log } = this.#parts;
    if (attempts.isEmpty) return;
    log.error({
      event: "worker.left_behind",
      running: attempts.runningCount,
      unreported: attempts.refs.map(({ jobId, attempt }) => `${jobId}/${attempt}`),
    });
  }

  /** Whether `condition` came to hold within `ms`; also `true` once it does not matter because the worker has left. */
  async #within(ms: number, condition: () => boolean): Promise<boolean> {
    const { attempts, clock } = this.#parts;
    const over = this.#over.signal;
    const patience = new AbortController();
    const giveUp = () => patience.abort();
    const cancel = clock.startTimer(ms, giveUp);
    if (over.aborted) giveUp();
    over.addEventListener("abort", giveUp, { once: true, signal: patience.signal });
    await attempts.until(condition, patience.signal);
    cancel();
    giveUp();
    return condition() || over.aborted;
  }
}

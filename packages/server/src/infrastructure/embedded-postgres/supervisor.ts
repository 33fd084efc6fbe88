import { setTimeout as delay } from "node:timers/promises";
import {
  type Postmaster,
  type PostmasterPlan,
  runPostmaster,
  stopPostmaster,
} from "./postmaster.ts";

/** How soon the death of PostgreSQL is noticed. */
const WATCH_INTERVAL_MS = 250;
/**
 * Between attempts to bring it back: doubles from the first to the last, for as long as it takes.
 */
const RESTART_DELAY_MIN_MS = 250;
const RESTART_DELAY_MAX_MS = 30_000;
/** One that ran this long was healthy: its death starts the delays anew. */
const HEALTHY_AFTER_MS = 60_000;

/**
 * Keeps PostgreSQL running: when its main process dies (killed for memory, say), it is started again
 * on the same data and the same socket. That a single connection's process crashed is PostgreSQL's
 * own business, and it recovers by itself.
 */
export class Supervisor {
  readonly #plan: PostmasterPlan;
  readonly #stop = new AbortController();
  #postmaster: Postmaster;
  #stopped: Promise<void> | undefined;
  readonly #watching: Promise<void>;

  constructor(plan: PostmasterPlan, postmaster: Postmaster) {
    this.#plan = plan;
    this.#postmaster = postmaster;
    this.#watching = this.#watch();
  }

  /** Of the one running now, or last. */
  get pid(): number {
    return this.#postmaster.pid;
  }

  /** Ends the watch and PostgreSQL. Idempotent. @throws PlatformError `stop_failed`. */
  stop(): Promise<void> {
    this.#stopped ??= this.#stopOnce();
    return this.#stopped;
  }

  async #stopOnce(): Promise<void> {
    this.#stop.abort();
    await this.#watching;
    await stopPostmaster(this.#postmaster, this.#plan.log);
    const { pid } = this.#postmaster;
    this.#plan.log({ event: "postgres_stopped", message: "PostgreSQL has ended", pid });
  }

  async #watch(): Promise<void> {
    let startedAt = performance.now();
    let restartDelayMs = RESTART_DELAY_MIN_MS;
    while (await this.#pause(WATCH_INTERVAL_MS)) {
      if (await this.#postmaster.isAlive()) continue;
      if (performance.now() - startedAt > HEALTHY_AFTER_MS) restartDelayMs = RESTART_DELAY_MIN_MS;
      if (!(await this.#pause(restartDelayMs))) return;
      restartDelayMs = Math.min(restartDelayMs * 2, RESTART_DELAY_MAX_MS);
      await this.#restart();
      startedAt = performance.now();
    }
  }

  /** A failure is told and tried again: its reason, such as a full disk, may go away. */
  async #restart(): Promise<void> {
    const { log } = this.#plan;
    log({
      event: "postgres_died",
      message: "PostgreSQL has ended; starting it again",
      pid: this.pid,
    });
    try {
      this.#postmaster = await runPostmaster(this.#plan, this.#stop.signal);
    } catch (error) {
      if (this.#stop.signal.aborted) return;
      const message = error instanceof Error ? error.message : String(error);
      log({ event: "postgres_restart_failed", message });
    }
  }

  /** False as soon as `stop` is called. Does not keep the process alive. */
  async #pause(ms: number): Promise<boolean> {
    try {
      await delay(ms, undefined, { ref: false, signal: this.#stop.signal });
      return true;
    } catch {
      return false; // an abort is the only reason for it to reject
    }
  }
}

import type { WorkerId } from "./ids.ts";
import type { Pool } from "./pool.ts";
import type { Worker } from "./worker.ts";

/** A connected worker of a pool that takes attempts. */
export interface PoolWorker {
  readonly id: WorkerId;
  readonly createdAt: Date;
  /** `null` while it has attempts. */
  readonly idleSince: Date | null;
}

/** Who is to leave a pool, and why, for people. */
export interface Departure {
  readonly id: WorkerId;
  readonly reason: string;
}

/**
 * Workers that are to leave now: those beyond the pool's lifetime, the oldest first, but never more than half of the pool
 * at once, so that a pool whose workers are of one age goes on; then those that were idle for too long, the longest
 * first, as long as `minWorkers` are ready and `warmWorkers` of them idle.
 */
export function departures(
  pool: Pool,
  ready: readonly PoolWorker[],
  { drainingCount, now }: { readonly drainingCount: number; readonly now: Date },
): readonly Departure[] {
  const atOnce = Math.max(1, Math.floor((ready.length + drainingCount) / 2));
  const old = tooOld(pool, ready, now).slice(0, Math.max(0, atOnce - drainingCount));
  const others = ready.filter((worker) => !old.includes(worker));
  const spare = Math.min(
    others.length - pool.minWorkers,
    others.filter(({ idleSince }) => idleSince !== null).length - pool.warmWorkers,
  );
  const idle = tooIdle(pool, others, now).slice(0, Math.max(0, spare));
  return [
    ...old.map(({ id }) => ({ id, reason: `it is older than ${pool.lifetimeMs} ms` })),
    ...idle.map(({ id }) => ({ id, reason: `it was idle for ${pool.idleTimeoutMs} ms` })),
  ];
}

function tooOld({ lifetimeMs }: Pool, ready: readonly PoolWorker[], now: Date): PoolWorker[] {
  if (lifetimeMs === null) return [];
  const bornBy = now.getTime() - lifetimeMs;
  return ready
    .filter(({ createdAt }) => createdAt.getTime() <= bornBy)
    .toSorted((a, b) => a.createdAt.getTime() - b.createdAt.getTime());
}

function tooIdle({ idleTimeoutMs }: Pool, ready: readonly PoolWorker[], now: Date): PoolWorker[] {
  if (idleTimeoutMs === null) return [];
  const idleBy = now.getTime() - idleTimeoutMs;
  const since = ({ idleSince }: PoolWorker) => idleSince?.getTime() ?? Number.POSITIVE_INFINITY;
  return ready.filter((worker) => since(worker) <= idleBy).toSorted((a, b) => since(a) - since(b));
}

/** First and longest pause after workers of a pool that never connected; doubles with each in a row. */
const BACKOFF_MIN_MS = 1_000;
const BACKOFF_MAX_MS = 60_000;

export interface BootFailures {
  /** In a row, up to now. */
  readonly count: number;
  /** The pool makes no worker before. */
  readonly retryAt: Date;
}

/**
 * How often in a row workers of a pool did not come up, from its `newest` workers, newest first; `undefined` if the last
 * one to be decided did. Those that are still booting say nothing yet.
 */
export function bootFailures(newest: readonly Worker[]): BootFailures | undefined {
  const decided = newest.filter(
    ({ connectedAt, terminatedAt }) => connectedAt !== null || terminatedAt !== null,
  );
  const firstUp = decided.findIndex(({ connectedAt }) => connectedAt !== null);
  const failed = firstUp === -1 ? decided : decided.slice(0, firstUp);
  if (failed.length === 0) return undefined;
  const lastAtMs = Math.max(...failed.map(({ terminatedAt }) => terminatedAt?.getTime() ?? 0));
  const delayMs = Math.min(BACKOFF_MAX_MS, BACKOFF_MIN_MS * 2 ** (failed.length - 1));
  return { count: failed.length, retryAt: new Date(lastAtMs + delayMs) };
}

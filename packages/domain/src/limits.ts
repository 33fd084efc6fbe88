import { PlatformError } from "./errors.ts";
import type { JobId, TenantId } from "./ids.ts";

/** What becomes of a job whose concurrency key has no place left. */
export type ConflictPolicy = "queue" | "cancel_in_progress" | "drop_newest";

/** At most `limit` jobs of one tenant with the same key are assigned or running at once. */
export interface Concurrency {
  readonly key: string;
  /** Of jobs with different limits, that of the job that asks for a place holds. */
  readonly limit: number;
  readonly onConflict: ConflictPolicy;
}

/** At most `count` attempts of one tenant's jobs with the same key are given out in any span of `perMs`. */
export interface RateLimit {
  readonly key: string;
  /** Of jobs with different terms, those of the job that asks for a start hold. */
  readonly count: number;
  readonly perMs: number;
}

/** A key of one tenant. Keys of concurrency and of rates do not know of each other. */
export interface LimitKey {
  readonly tenantId: TenantId;
  readonly key: string;
}

/** What limits one job's start. */
export interface Limited {
  readonly jobId: JobId;
  readonly tenantId: TenantId;
  readonly concurrency: Concurrency | null;
  readonly rateLimit: RateLimit | null;
}

/** A job that has a place under its concurrency key: it is assigned or running. */
export interface KeyHolder extends LimitKey {
  readonly jobId: JobId;
}

/** An attempt that was given out under a rate limit. */
export interface RateStart extends LimitKey {
  readonly at: Date;
  /** Counts until then: for as long as its own job says, and never longer than the job that asks says. */
  readonly countsUntil: Date;
}

/** What counts against the limits of some jobs, at one moment. */
export interface LimitUsage {
  /** Oldest first. */
  readonly holders: readonly KeyHolder[];
  readonly starts: readonly RateStart[];
  /** Assigned and running jobs of each tenant. */
  readonly heldCounts: ReadonlyMap<TenantId, number>;
}

export const NO_LIMIT_USAGE: LimitUsage = { holders: [], starts: [], heldCounts: new Map() };

export interface LimitTerms {
  readonly now: Date;
  /** Jobs that one tenant may have assigned or running; `null`: any number. */
  readonly tenantJobsMax: number | null;
}

/** Why a job may not start although a worker may be free. */
export interface LimitObstacle {
  readonly code: "concurrency" | "rate_limit" | "tenant_limit";
  readonly message: string;
}

/** Counts what runs and what is placed against limits. */
export class LimitLedger {
  readonly #holders: Map<string, JobId[]>;
  readonly #starts: Map<string, RateStart[]>;
  readonly #heldCounts: Map<TenantId, number>;
  readonly #terms: LimitTerms;
  readonly #taken: RateStart[] = [];
  /** Until when the starts of a key count, ascending, for the span that was last asked about: many jobs ask for the same. */
  readonly #ends = new Map<string, { readonly perMs: number; readonly ends: number[] }>();
  #nextAt: Date | undefined;

  constructor({ holders, starts, heldCounts }: LimitUsage, terms: LimitTerms) {
    this.#holders = new Map(
      [...Map.groupBy(holders, keyText)].map(([key, list]) => [
        key,
        list.map(({ jobId }) => jobId),
      ]),
    );
    this.#starts = Map.groupBy(starts, keyText);
    this.#heldCounts = new Map(heldCounts);
    this.#terms = terms;
  }

  /** Starts that `take` has counted. */
  get taken(): readonly RateStart[] {
    return this.#taken;
  }

  /** When the first job that a rate limit held back so far may start; `undefined`: none was. */
  get nextAt(): Date | undefined {
    return this.#nextAt;
  }

  /** The first limit that leaves no place for the job, or `undefined` if it may start. */
  obstacle(job: Limited): LimitObstacle | undefined {
    // A key first: who holds it may have to make way, and frees a place of the tenant with it.
    return this.#concurrencyObstacle(job) ?? this.#tenantObstacle(job) ?? this.#rateObstacle(job);
  }

  /** The job starts. */
  take({ jobId, tenantId, concurrency, rateLimit }: Limited): void {
    this.#heldCounts.set(tenantId, (this.#heldCounts.get(tenantId) ?? 0) + 1);
    if (concurrency !== null) {
      const key = keyText({ tenantId, key: concurrency.key });
      append(this.#holders, key, jobId);
    }
    if (rateLimit === null) return;
    const { now: at } = this.#terms;
    const countsUntil = new Date(at.getTime() + rateLimit.perMs);
    const start = { tenantId, key: rateLimit.key, at, countsUntil };
    append(this.#starts, keyText(start), start);
    const known = this.#ends.get(keyText(start));
    if (known !== undefined) insertSorted(known.ends, endOf(start, known.perMs));
    this.#taken.push(start);
  }

  #tenantObstacle({ tenantId }: Limited): LimitObstacle | undefined {
    const { tenantJobsMax } = this.#terms;
    const count = this.#heldCounts.get(tenantId) ?? 0;
    if (tenantJobsMax === null || count < tenantJobsMax) return undefined;
    return { code: "tenant_limit", message: `tenant at ${count} of ${tenantJobsMax} jobs` };
  }

  #concurrencyObstacle({ tenantId, concurrency }: Limited): LimitObstacle | undefined {
    if (concurrency === null) return undefined;
    const { key, limit } = concurrency;
    const holders = this.#holders.get(keyText({ tenantId, key })) ?? [];
    if (holders.length < limit) return undefined;
    const [first, ...others] = holders;
    const more = others.length === 0 ? "" : ` and ${others.length} more, of ${limit}`;
    return { code: "concurrency", message: `key \`${key}\` held by job ${first}${more}` };
  }

  /** Counts later starts too: after a clock went back, no span of time has more starts than it may. */
  #rateObstacle({ tenantId, rateLimit }: Limited): LimitObstacle | undefined {
    if (rateLimit === null) return undefined;
    const { key, count, perMs } = rateLimit;
    const ends = this.#endsOf(keyText({ tenantId, key }), perMs);
    const end = ends[ends.length - count];
    if (end === undefined) return undefined;
    const nextAt = new Date(end);
    if (this.#nextAt === undefined || nextAt < this.#nextAt) this.#nextAt = nextAt;
    const message = `rate limit \`${key}\` had ${ends.length} of ${count} starts in ${perMs / 1000} s; the next is possible at ${nextAt.toISOString()}`;
    return { code: "rate_limit", message };
  }

  #endsOf(key: string, perMs: number): readonly number[] {
    const known = this.#ends.get(key);
    if (known?.perMs === perMs) return known.ends;
    const nowMs = this.#terms.now.getTime();
    const ends = (this.#starts.get(key) ?? [])
      .map((start) => endOf(start, perMs))
      .filter((end) => end > nowMs)
      .toSorted((a, b) => a - b);
    this.#ends.set(key, { perMs, ends });
    return ends;
  }
}

const endOf = ({ at, countsUntil }: RateStart, perMs: number): number =>
  Math.min(countsUntil.getTime(), at.getTime() + perMs);

/** What starts now mostly counts longest: its place is looked for from the end. */
function insertSorted(ascending: number[], value: number): void {
  ascending.splice(ascending.findLastIndex((other) => other <= value) + 1, 0, value);
}

function append<Item>(map: Map<string, Item[]>, key: string, item: Item): void {
  const list = map.get(key);
  if (list === undefined) map.set(key, [item]);
  else list.push(item);
}

/**
 * The jobs that have to make way when a job with `cancel_in_progress` asks for its place: all older ones of its key, but
 * for the newest that there is room for beside it.
 * @param unfinished jobs of the key that have not ended, oldest first
 */
export function supersededJobs<T extends { readonly id: JobId }>(
  unfinished: readonly T[],
  job: { readonly id: JobId; readonly concurrency: Concurrency },
): readonly T[] {
  const older = unfinished.slice(
    0,
    Math.max(
      0,
      unfinished.findIndex(({ id }) => id === job.id),
    ),
  );
  return older.slice(0, Math.max(0, older.length - (job.concurrency.limit - 1)));
}

/** What refuses jobs for which the queue has no room. */
export function queueFull(depth: number, limit: number, of: string): PlatformError {
  return new PlatformError(
    "resource_exhausted",
    "queue_full",
    `${depth} of at most ${limit} jobs ${of} wait for their first start; try again when some have started, add workers, or raise the queue limit`,
  );
}

/** One text for each key of each tenant. */
export const keyText = ({ tenantId, key }: LimitKey): string => JSON.stringify([tenantId, key]);

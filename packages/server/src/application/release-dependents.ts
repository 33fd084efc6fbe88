import {
  applyJobEvent,
  type EventRecord,
  isTerminal,
  type Job,
  type JobId,
  type JudgedDependency,
  judgeDependency,
  loopCause,
  type Stores,
} from "@hodei/domain";
import type { Deps } from "./deps.ts";
import { settledEvent } from "./job-dependencies.ts";

/** Jobs of one turn; when there are more, the next one is at once. */
const JOBS_PER_TURN = 1_000;
/** Jobs that one transaction changes. */
const JOBS_PER_TRANSACTION = 100;
/** Ends that are remembered between two turns; with more, the next turn looks at all. */
const ENDS_MAX = 1_000;
/** How much further back than the last look a look goes: servers' clocks differ, and what ended may be stored late. */
const OVERLAP_MS = 2_000;
/** Between two looks at all that has ended, for what came later still. */
const LOOK_AT_ALL_MS = 60_000;

const END_EVENTS: ReadonlySet<string> = new Set(
  ["succeeded", "failed", "cancelled", "timed_out"].map((type) => `job.${type}`),
);

type ReleaseDeps = Pick<Deps, "database" | "clock" | "signals" | "settings">;

/**
 * Lets jobs go whose dependencies hold, and ends those for which one cannot hold any more.
 *
 * A turn looks at who waits for jobs that have ended here since the last one; once in each poll interval, and when another
 * replica has changed something, at who waits for any that ended lately; at all that has ended, first and now and then. So
 * what a turn costs goes by what has ended, and not by how much is waited for.
 */
export class DependentsRelease {
  readonly #deps: ReleaseDeps;
  readonly #ended = new Set<JobId>();
  #isAllWanted = true;
  #isElsewhere = true;
  #lookedAtAllMs = Number.NEGATIVE_INFINITY;
  /** Ends before it have been looked at, but for the overlap. */
  #lookedAtMs = Number.NEGATIVE_INFINITY;

  constructor(deps: ReleaseDeps) {
    this.#deps = deps;
    deps.signals.follow({
      committed: (events) => this.#note(events),
      changedElsewhere: () => {
        this.#isElsewhere = true;
      },
    });
  }

  /** One turn. Returns when the next one is wanted, if that is before the poll. */
  async run(): Promise<Date | undefined> {
    const { clock } = this.#deps;
    const ended = this.#takeEnded(clock.now().getTime());
    if (!(ended instanceof Date) && ended.length === 0) return undefined;
    try {
      if ((await this.#settle(ended)) < JOBS_PER_TURN) return undefined;
    } catch (error) {
      this.#isAllWanted = true;
      throw error;
    }
    this.#isAllWanted = true;
    return clock.now();
  }

  /** What this turn is about: jobs that ended, or since when they did. */
  #takeEnded(nowMs: number): readonly JobId[] | Date {
    const isAll = this.#isAllWanted || isPast(nowMs, this.#lookedAtAllMs, LOOK_AT_ALL_MS);
    const { pollIntervalMs } = this.#deps.settings;
    if (!isAll && !this.#isElsewhere && !isPast(nowMs, this.#lookedAtMs, pollIntervalMs)) {
      const ended = [...this.#ended];
      this.#ended.clear();
      return ended;
    }
    const since = isAll ? ALL : new Date(this.#lookedAtMs - OVERLAP_MS);
    if (isAll) this.#lookedAtAllMs = nowMs;
    this.#lookedAtMs = nowMs;
    this.#isAllWanted = false;
    this.#isElsewhere = false;
    this.#ended.clear();
    return since;
  }

  /** Returns how many jobs it was about. */
  async #settle(ended: readonly JobId[] | Date): Promise<number> {
    const { database } = this.#deps;
    const found = await database.readers.dependencies.listSettled(ended, JOBS_PER_TURN);
    // In the same order everywhere, so that two who lock several do not wait for each other.
    const ids = found.toSorted();
    for (let start = 0; start < ids.length; start += JOBS_PER_TRANSACTION) {
      const some = ids.slice(start, start + JOBS_PER_TRANSACTION);
      await database.transact((stores) => settleJobs(stores, some, this.#deps.clock.now()));
    }
    return ids.length;
  }

  #note(events: readonly EventRecord[]): void {
    for (const { subjectId, type } of events) {
      if (END_EVENTS.has(type)) this.#ended.add(subjectId as JobId);
    }
    if (this.#ended.size <= ENDS_MAX) return;
    this.#ended.clear();
    this.#isAllWanted = true;
  }
}

const ALL = new Date(0);

/** Clocks may be set back. */
const isPast = (nowMs: number, thenMs: number, afterMs: number): boolean =>
  Math.abs(nowMs - thenMs) >= afterMs;

async function settleJobs(stores: Stores, ids: readonly JobId[], at: Date): Promise<void> {
  const jobs = await stores.jobs.lockAll(ids);
  const dependencies = Map.groupBy(await stores.dependencies.listOf(ids), ({ jobId }) => jobId);
  for (const job of jobs) {
    await settleJob(stores, job, { own: dependencies.get(job.id) ?? [], at });
    dependencies.delete(job.id);
  }
  // Of jobs that ended so long ago that they are gone.
  await stores.dependencies.remove([...dependencies.values()].flat());
}

async function settleJob(
  { jobs, dependencies }: Stores,
  job: Job,
  { own, at }: { readonly own: readonly JudgedDependency[]; readonly at: Date },
): Promise<void> {
  // Somebody cancelled it, or it waited for too long.
  if (isTerminal(job.state)) return dependencies.remove(own);
  const event = own.length === 0 ? undefined : settledEvent(own, at);
  if (event !== undefined) {
    const caused = { ...event, causedBy: loopCause("release-dependents") };
    await jobs.update(applyJobEvent(job, caused), [caused]);
    return dependencies.remove(own);
  }
  await dependencies.remove(own.filter((dependency) => judgeDependency(dependency) === "holds"));
}

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
/** Ends that are remembered between two turns; with more, the next turn looks at all that is waited for. */
const ENDS_MAX = 1_000;

const END_EVENTS: ReadonlySet<string> = new Set(
  ["succeeded", "failed", "cancelled", "timed_out"].map((type) => `job.${type}`),
);

type ReleaseDeps = Pick<Deps, "database" | "clock" | "signals" | "settings">;

/**
 * Lets jobs go whose dependencies hold, and ends those for which one cannot hold any more.
 *
 * All that is waited for is looked at first, once in each poll interval, and when another replica has changed something;
 * in between only who waits for jobs that have ended here, so that it costs little while much is waited for.
 */
export class DependentsRelease {
  readonly #deps: ReleaseDeps;
  readonly #ended = new Set<JobId>();
  /** Of the last time that all was looked at; -∞: it has to be. */
  #lookedAtAllMs = Number.NEGATIVE_INFINITY;

  constructor(deps: ReleaseDeps) {
    this.#deps = deps;
    deps.signals.follow({
      committed: (events) => this.#note(events),
      changedElsewhere: () => this.#lookAtAll(),
    });
  }

  /** One turn. Returns when the next one is wanted, if that is before the poll. */
  async run(): Promise<Date | undefined> {
    const { clock, settings } = this.#deps;
    const nowMs = clock.now().getTime();
    // Clocks may be set back.
    const isAll = Math.abs(nowMs - this.#lookedAtAllMs) >= settings.pollIntervalMs;
    if (!isAll && this.#ended.size === 0) return undefined;
    const afterIds = isAll ? null : [...this.#ended];
    this.#ended.clear();
    if (isAll) this.#lookedAtAllMs = nowMs;
    try {
      if ((await this.#settle(afterIds)) < JOBS_PER_TURN) return undefined;
    } catch (error) {
      this.#lookAtAll();
      throw error;
    }
    this.#lookAtAll();
    return clock.now();
  }

  /** Returns how many jobs it was about. */
  async #settle(afterIds: readonly JobId[] | null): Promise<number> {
    const { database } = this.#deps;
    const found = await database.readers.dependencies.listSettled(afterIds, JOBS_PER_TURN);
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
    if (this.#ended.size > ENDS_MAX) this.#lookAtAll();
  }

  #lookAtAll(): void {
    this.#lookedAtAllMs = Number.NEGATIVE_INFINITY;
    this.#ended.clear();
  }
}

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

import {
  type Candidate,
  type DuePosition,
  type EventRecord,
  type Job,
  type JobEvent,
  type JobId,
  type JobReader,
  queueDeadline,
} from "@hodei/domain";
import { toCandidate } from "./candidate.ts";
import type { Settings } from "./settings.ts";
import type { Signals } from "./signals.ts";

export interface DueJobsDeps {
  readonly signals: Pick<Signals, "follow">;
  readonly jobs: Pick<JobReader, "listDue" | "listDueAfter" | "findDue" | "nextDueAt">;
  readonly settings: Pick<Settings, "pollIntervalMs" | "scheduleLimitCount">;
}

/** After these a job waits, and has to be looked at; after every other event it does not wait any more. */
const WAITING_EVENTS: ReadonlySet<string> = new Set(
  (
    [
      "created",
      "unblocked",
      "room_claimed",
      "lease_expired",
      "preempted",
      "retry_scheduled",
    ] as const
  ).map((type: JobEvent["type"]) => `job.${type}`),
);

/**
 * The jobs that are due, kept in memory for the loops of the leader: a turn reads what has changed, not all that waits.
 *
 * All are read at first, once in each poll interval, and when another replica has changed something; in between only jobs
 * that commits of this process were about. So what is here may be old, as what was just read may be: a decision on it is
 * stored only if the job's version still stands.
 *
 * Of more jobs than the schedule limit the most urgent are here, and of the others half as many, which each reading of all
 * exchanges for those that come after: however many cannot be placed, it is the turn of each that can.
 */
export class DueJobs {
  readonly #deps: DueJobsDeps;
  readonly #candidates = new Map<JobId, Candidate>();
  /** Changed since they were read. Bounded: more than are kept are as good as all. */
  readonly #changed = new Set<JobId>();
  /** Have stopped waiting since the last reading began, which may have seen them wait. Bounded as `#changed` is. */
  readonly #gone = new Set<JobId>();
  #isReading = false;
  /** Of the last time that all were read; -∞: they have to be. */
  #readAllAtMs = Number.NEGATIVE_INFINITY;
  #nextDueAt: Date | null = null;
  /** Where the last look at the less urgent ones ended; `null`: at the end of all. */
  #lookedTo: DuePosition | null = null;
  /** Settles when the latest reading has ended; one reads at a time. */
  #last: Promise<unknown> = Promise.resolve();

  constructor(deps: DueJobsDeps) {
    this.#deps = deps;
    deps.signals.follow({
      committed: (events, inserted) => this.#note(events, inserted),
      changedElsewhere: () => this.forget(),
    });
  }

  /** Lets the next `list` read all again. */
  forget(): void {
    this.#readAllAtMs = Number.NEGATIVE_INFINITY;
    this.#changed.clear();
  }

  /**
   * Pending jobs whose time has come, in no order; of more than the schedule limit, those that were chosen when all were read.
   * With the earliest time after `now` at which more fall due, `null` if none will.
   */
  list(now: Date): Promise<{
    readonly candidates: readonly Candidate[];
    readonly nextDueAt: Date | null;
  }> {
    const reading = this.#last.then(async () => {
      await this.#read(now);
      return { candidates: [...this.#candidates.values()], nextDueAt: this.#nextDueAt };
    });
    this.#last = reading.catch(() => undefined); // its caller is told
    return reading;
  }

  async #read(now: Date): Promise<void> {
    const nowMs = now.getTime();
    this.#gone.clear();
    // Clocks may be set back.
    const isAllOld = Math.abs(nowMs - this.#readAllAtMs) >= this.#deps.settings.pollIntervalMs;
    const isMoreDue = this.#nextDueAt !== null && this.#nextDueAt <= now;
    if (!isAllOld && !isMoreDue && this.#changed.size === 0) return;
    const changed = [...this.#changed];
    this.#changed.clear();
    this.#isReading = true;
    try {
      if (isAllOld || isMoreDue) await this.#readAll(now);
      else await this.#readChanged(changed, now);
    } catch (error) {
      this.forget();
      throw error;
    } finally {
      this.#isReading = false;
    }
  }

  async #readAll(now: Date): Promise<void> {
    const { jobs, settings } = this.#deps;
    // Before the reading: what `forget` asks for meanwhile is not lost.
    this.#readAllAtMs = now.getTime();
    const [all, nextDueAt] = await Promise.all([
      jobs.listDue(now, settings.scheduleLimitCount),
      jobs.nextDueAt(now),
    ]);
    const others = all.length < settings.scheduleLimitCount ? [] : await this.#readFurther(now);
    this.#candidates.clear();
    this.#add([...all, ...others]);
    this.#nextDueAt = nextDueAt;
  }

  async #readFurther(now: Date): Promise<readonly Candidate[]> {
    const { jobs, settings } = this.#deps;
    const count = Math.ceil(settings.scheduleLimitCount / 2);
    const others = await jobs.listDueAfter(this.#lookedTo, now, count);
    this.#lookedTo = others.length < count ? null : (others.at(-1) ?? null);
    return others;
  }

  async #readChanged(ids: readonly JobId[], now: Date): Promise<void> {
    const { jobs, settings } = this.#deps;
    const [due, nextDueAt] = await Promise.all([jobs.findDue(ids, now), jobs.nextDueAt(now)]);
    for (const id of ids) this.#candidates.delete(id);
    this.#add(due);
    this.#nextDueAt = nextDueAt;
    // So that memory stays bounded: the next reading chooses which stay.
    if (this.#candidates.size > 2 * settings.scheduleLimitCount) this.forget();
  }

  /** A new job need not be read. False: a reading that is under way would lose it, or its time has not come. */
  #tryAdd(job: Job): boolean {
    if (this.#isReading || job.isBlocked || job.runAt > job.createdAt) return false;
    const lateAt = queueDeadline(job);
    if (lateAt !== null && (this.#nextDueAt === null || lateAt < this.#nextDueAt))
      this.#nextDueAt = lateAt;
    this.#candidates.set(job.id, toCandidate(job));
    return true;
  }

  #add(found: readonly Candidate[]): void {
    for (const candidate of found) {
      if (!this.#gone.has(candidate.jobId)) this.#candidates.set(candidate.jobId, candidate);
    }
  }

  #note(events: readonly EventRecord[], inserted: readonly Job[]): void {
    // The next reading is of all.
    if (!Number.isFinite(this.#readAllAtMs)) return;
    const added = new Set(inserted.filter((job) => this.#tryAdd(job)).map(({ id }) => id));
    for (const { subjectType, subjectId, type } of events) {
      const id = subjectId as JobId;
      if (subjectType !== "job" || added.has(id)) continue;
      if (WAITING_EVENTS.has(type)) {
        this.#gone.delete(id);
        this.#changed.add(id);
      } else {
        this.#candidates.delete(id);
        this.#changed.delete(id);
        this.#gone.add(id);
      }
    }
    const { scheduleLimitCount } = this.#deps.settings;
    if (this.#candidates.size > 2 * scheduleLimitCount) this.forget();
    if (Math.max(this.#changed.size, this.#gone.size) > scheduleLimitCount) this.forget();
  }
}

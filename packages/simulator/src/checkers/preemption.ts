import {
  type Capacity,
  isRetried,
  type Job,
  type JobId,
  type JobSpec,
  MAX_PREEMPTIONS_PER_JOB,
  outranks,
  type StoredEvent,
  subtract,
  type WorkerId,
} from "@hodei/domain";
import type { FinishedRun, Violation } from "../finished-run.ts";
import { isJobEnd } from "../job-ends.ts";

/**
 * Only jobs that allow it give up their places, only for jobs of higher priority, not too often, and without using up a retry;
 * what they give up goes to the job that they ended for.
 */
export function checkPreemption(run: FinishedRun): Violation[] {
  const specs = new Map(run.scenario.requests.map(({ name, spec }) => [name, spec]));
  const specOf = (id: JobId): JobSpec | undefined => specs.get(run.jobs.get(id)?.name ?? "");
  const byJob = Map.groupBy(run.events, ({ subjectId }) => subjectId as JobId);
  const messages = [...run.jobs.values()].flatMap((job): [JobId, string][] => {
    const events = byJob.get(job.id) ?? [];
    const texts = [...checkRequests(job, events, specOf), ...checkTries(job, events)];
    return texts.map((text) => [job.id, text]);
  });
  messages.push(...checkPromises(run));
  return messages.map(([subject, message]) => ({ promise: "preemption", message, subject }));
}

function checkRequests(
  { id }: Job,
  events: readonly StoredEvent[],
  specOf: (id: JobId) => JobSpec | undefined,
): string[] {
  const spec = specOf(id);
  const messages: string[] = [];
  let givenUpCount = 0;
  let isAsked = false;
  for (const { type, data } of events) {
    if (type === "job.assigned") isAsked = false;
    if (type === "job.preempted") {
      givenUpCount += 1;
      if (!isAsked) messages.push("gave up its place without being asked");
    }
    if (type !== "job.preempt_requested") continue;
    isAsked = true;
    messages.push(...checkRequest(spec, specOf(data.byJobId as JobId)));
    if (givenUpCount >= MAX_PREEMPTIONS_PER_JOB) messages.push("was to give up its place again");
  }
  return messages;
}

function checkRequest(spec: JobSpec | undefined, by: JobSpec | undefined): string[] {
  if (!spec?.preemptible) return ["was asked to give up its place, and does not allow it"];
  if (by !== undefined && outranks(by.priority, spec.priority)) return [];
  return [`of priority ${spec.priority} was to give up its place for one of ${by?.priority}`];
}

/** A job that has failed, and is tried again after such a failure, has used all of its tries. */
function checkTries(
  { state, outcome, policy: { retryPolicy } }: Job,
  events: readonly StoredEvent[],
): string[] {
  const count = (type: string) => events.filter((event) => event.type === type).length;
  if ((state !== "failed" && state !== "timed_out") || outcome === null) return [];
  if (!isRetried(retryPolicy, outcome.reason) || count("job.cancel_requested") > 0) return [];
  const tries = count("job.started") - count("job.preempted");
  const { maxAttempts } = retryPolicy;
  return tries < maxAttempts
    ? [`failed after ${tries} of ${maxAttempts} tries, beside ${count("job.preempted")} others`]
    : [];
}

/** Events of a worker after which it may take no job for a while: what was promised there does not hold. */
const UNUSABLE = ["disconnected", "drain_requested", "lost", "terminated"].map(
  (type) => `worker.${type}`,
);

/**
 * Until a job starts that others make room for, that room is given to nobody else, and no others make room for it. A job that
 * a limit or its queue time-out may keep from starting meanwhile is promised nothing.
 */
function checkPromises(run: FinishedRun): [JobId, string][] {
  const promises = new Promises(run);
  return run.events.flatMap((event) => promises.follow(event));
}

class Promises {
  readonly #run: FinishedRun;
  readonly #capacities: ReadonlyMap<WorkerId, Capacity | undefined>;
  /** Of jobs that wait for room, where that is made. */
  readonly #claims = new Map<JobId, WorkerId>();
  readonly #held = new Map<JobId, { readonly workerId: WorkerId; isEnding: boolean }>();

  constructor(run: FinishedRun) {
    this.#run = run;
    this.#capacities = new Map(run.workers.map(({ id, facts }) => [id, facts?.capacity]));
  }

  follow({ type, subjectId, data }: StoredEvent): [JobId, string][] {
    const jobId = subjectId as JobId;
    const workerId = data.workerId as WorkerId;
    if (UNUSABLE.includes(type)) this.#forget(subjectId as WorkerId);
    if (isJobEnd(type) || RETURNING.includes(type)) this.#held.delete(jobId);
    if (isJobEnd(type) || type === "job.assigned") this.#claims.delete(jobId);
    const own = this.#held.get(jobId);
    if (own !== undefined && ASKING.includes(type)) own.isEnding = true;
    if (type === "job.room_claimed") return this.#claim(jobId, workerId);
    if (type !== "job.assigned") return [];
    this.#held.set(jobId, { workerId, isEnding: false });
    return this.#checkRoom(jobId, workerId);
  }

  #claim(jobId: JobId, workerId: WorkerId): [JobId, string][] {
    const isTwice = this.#claims.has(jobId);
    const policy = this.#run.jobs.get(jobId)?.policy;
    if (policy?.concurrency === null && policy.timeouts.queueMs === null) {
      this.#claims.set(jobId, workerId);
    }
    return isTwice ? [[jobId, "was made room for twice"]] : [];
  }

  #checkRoom(jobId: JobId, workerId: WorkerId): [JobId, string][] {
    const { jobs } = this.#run;
    const staying = [...this.#held]
      .filter(([, { workerId: on, isEnding }]) => on === workerId && !isEnding)
      .flatMap(([id]) => jobs.get(id) ?? []);
    const room = roomBeside(staying, this.#capacities.get(workerId));
    return [...this.#claims].flatMap(([claimer, on]): [JobId, string][] => {
      const job = jobs.get(claimer);
      if (on !== workerId || job === undefined || fits(room, job)) return [];
      return [[claimer, `was promised room on ${workerId} that job ${jobId} was given`]];
    });
  }

  #forget(workerId: WorkerId): void {
    for (const [jobId, on] of this.#claims) if (on === workerId) this.#claims.delete(jobId);
  }
}

/** Events, besides the end, after which a job holds nothing of a worker any more. */
const RETURNING = ["job.lease_expired", "job.retry_scheduled", "job.preempted"];
const ASKING = ["job.preempt_requested", "job.cancel_requested"];

const roomBeside = (jobs: readonly Job[], capacity: Capacity | undefined): Capacity | undefined =>
  capacity && jobs.map(({ policy }) => policy.requirements).reduce(subtract, capacity);

const fits = (room: Capacity | undefined, { policy }: Job): boolean =>
  room === undefined ||
  Object.values(subtract(room, policy.requirements)).every((left) => left >= 0);

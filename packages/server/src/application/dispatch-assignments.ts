import {
  type AttemptRef,
  endAskedAt,
  type Job,
  type JobId,
  type JobSpec,
  outcomeOf,
  runTimeLeftMs,
} from "@hodei/domain";
import { endAttempt, type HeldJob, isCurrent, withAttempt } from "./attempts.ts";
import type { Deps } from "./deps.ts";
import { fetchSecrets } from "./fetch-secrets.ts";
import type { OpenSession } from "./sessions.ts";

type DispatchDeps = Pick<Deps, "database" | "secrets" | "sessions" | "clock" | "random">;

/**
 * Sends what the scheduler of this replica has just stored to the sessions that are here, before anybody reads it again.
 * `specs`: theirs, as far as they were read. The rest is left to `dispatchAssignments`: the secrets that a job needs, and
 * whatever fails.
 */
export async function sendAssignments(
  deps: Pick<Deps, "sessions" | "clock" | "signals" | "log">,
  held: readonly HeldJob[],
  specs: Promise<ReadonlyMap<JobId, JobSpec>>,
): Promise<void> {
  const here = held.filter(({ attempt }) => deps.sessions.find(attempt.workerId) !== undefined);
  if (here.length === 0) return;
  try {
    const found = await specs;
    for (const { job, attempt } of here) {
      const session = deps.sessions.find(attempt.workerId);
      const spec = found.get(job.id);
      if (
        session === undefined ||
        spec === undefined ||
        session.sentAssignments.has(attempt.leaseToken)
      )
        continue;
      if (spec.secrets.length > 0) {
        deps.signals.notify("held");
        continue;
      }
      session.sentAssignments.add(attempt.leaseToken);
      session.known.set(attempt.leaseToken, { job, attempt });
      const bounded = withTimeLeft(spec, deps.clock.now());
      const ref = refOf(job, attempt.leaseToken);
      session.send({ type: "assignment", ref, spec: bounded, secrets: [] });
    }
  } catch (error) {
    deps.log.warn("assignments_not_sent", { error });
    deps.signals.notify("held");
  }
}

/** One turn: sends to each worker connected here the assignments and cancels that its session has not carried. */
export async function dispatchAssignments(deps: DispatchDeps): Promise<undefined> {
  const open = new Map(deps.sessions.all().map((session) => [session.workerId, session]));
  if (open.size === 0) return;
  const sent = [...open.values()].map(
    (session) => [session, [...session.sentAssignments]] as const,
  );
  const jobs = await deps.database.readers.jobs.listOfWorkers([...open.keys()]);
  const held = new Set(jobs.map(({ lease }) => lease?.token));
  // Only what was sent before the jobs were read and is not among them is over. To forget it when the result comes would
  // be too early: a turn that read the job before that would send it again, and the worker would run it twice.
  for (const [session, tokens] of sent) {
    for (const token of tokens) if (!held.has(token)) session.forget(token);
  }
  for (const job of jobs) {
    const session = job.lease === null ? undefined : open.get(job.lease.workerId);
    if (session !== undefined) await dispatch(deps, session, job);
  }
}

/**
 * One turn: tells each worker connected here that is to leave so, once, and after what it was given: it would refuse an
 * assignment that came later.
 */
export async function dispatchDrains(
  deps: Pick<Deps, "database" | "liveWorkers" | "sessions" | "clock">,
): Promise<undefined> {
  const { jobs } = deps.database.readers;
  for (const { id, drainRequestedAt } of await deps.liveWorkers.list(deps.clock.now())) {
    const session = deps.sessions.find(id);
    if (session === undefined || drainRequestedAt === null || session.sentDrain) continue;
    const held = await jobs.listOfWorkers([id]);
    if (held.some(({ state }) => state === "assigned")) continue;
    session.sentDrain = true;
    session.send({ type: "drain" });
  }
}

async function dispatch(deps: DispatchDeps, session: OpenSession, job: Job): Promise<void> {
  if (job.lease === null) return;
  const { token } = job.lease;
  const ref = refOf(job, token);
  if (job.state === "assigned" && !session.sentAssignments.has(token)) {
    await sendAssignment(deps, session, job, ref);
  }
  if (endAskedAt(job) !== null && !session.sentCancels.has(token)) {
    session.sentCancels.add(token);
    session.send({ type: "cancel_attempt", ref });
  }
}

const refOf = ({ id, attempt }: Job, leaseToken: AttemptRef["leaseToken"]): AttemptRef => ({
  jobId: id,
  attempt,
  leaseToken,
});

/** The values of secrets are fetched here and nowhere else: they exist in this message only. */
async function sendAssignment(
  deps: DispatchDeps,
  session: OpenSession,
  job: Job,
  ref: AttemptRef,
): Promise<void> {
  const spec: JobSpec = await deps.database.readers.jobs.getSpec(job.id);
  const secrets = await fetchSecrets(deps, job, spec.secrets);
  if (secrets.kind === "unavailable") {
    return endWithoutSecrets(deps, session, ref, secrets.message);
  }
  // The scheduler may have sent it meanwhile.
  if (session.sentAssignments.has(ref.leaseToken)) return;
  session.sentAssignments.add(ref.leaseToken);
  const bounded = withTimeLeft(spec, deps.clock.now());
  session.send({ type: "assignment", ref, spec: bounded, secrets: secrets.values });
}

/** As a span of time: the worker's clock may be another. */
function withTimeLeft(spec: JobSpec, now: Date): JobSpec {
  const runMs = runTimeLeftMs(spec, now);
  return { ...spec, timeouts: { ...spec.timeouts, runMs } };
}

/** Counts as an attempt that started: a policy that tries again has its limit by those. */
async function endWithoutSecrets(
  { database, clock, random }: DispatchDeps,
  { workerId }: OpenSession,
  ref: AttemptRef,
  message: string,
): Promise<void> {
  await database.transact(async (stores) => {
    const job = await stores.jobs.lock(ref.jobId);
    if (!isCurrent(job, workerId, ref) || job.state !== "assigned") return;
    const outcome = outcomeOf("secret_unavailable", message);
    const report = { outcome, logBytes: 0, processesLeft: 0, usage: null };
    const held = await withAttempt(stores, job);
    await stores.jobs.updateAll([endAttempt(held, report, { at: clock.now(), random })]);
  });
}

import { type AttemptRef, type Job, outcomeOf } from "@hodei/domain";
import { endAttempt, isCurrent, markStarted } from "./attempts.ts";
import type { Deps } from "./deps.ts";
import { fetchSecrets } from "./fetch-secrets.ts";
import type { OpenSession } from "./sessions.ts";

type DispatchDeps = Pick<Deps, "database" | "secrets" | "sessions" | "clock" | "random">;

/** One turn: sends to each worker connected here the assignments, cancels and drains that its session has not carried. */
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

/** One turn: tells each worker connected here that is to leave so, once. */
export async function dispatchDrains(
  deps: Pick<Deps, "database" | "sessions">,
): Promise<undefined> {
  for (const { id, drainRequestedAt } of await deps.database.readers.workers.listLive()) {
    const session = deps.sessions.find(id);
    if (session === undefined || drainRequestedAt === null || session.sentDrain) continue;
    session.sentDrain = true;
    session.send({ type: "drain" });
  }
}

async function dispatch(deps: DispatchDeps, session: OpenSession, job: Job): Promise<void> {
  if (job.lease === null) return;
  const { token } = job.lease;
  const ref: AttemptRef = { jobId: job.id, attempt: job.attempt, leaseToken: token };
  if (job.state === "assigned" && !session.sentAssignments.has(token)) {
    await sendAssignment(deps, session, job, ref);
  }
  if (job.cancelRequest !== null && !session.sentCancels.has(token)) {
    session.sentCancels.add(token);
    session.send({ type: "cancel_attempt", ref });
  }
}

/** The values of secrets are fetched here and nowhere else: they exist in this message only. */
async function sendAssignment(
  deps: DispatchDeps,
  session: OpenSession,
  job: Job,
  ref: AttemptRef,
): Promise<void> {
  const spec = await deps.database.readers.jobs.getSpec(job.id);
  const secrets = await fetchSecrets(deps, job, spec.secrets);
  if (secrets.kind === "unavailable") {
    return endWithoutSecrets(deps, session, ref, secrets.message);
  }
  session.sentAssignments.add(ref.leaseToken);
  session.send({ type: "assignment", ref, spec, secrets: secrets.values });
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
    const at = clock.now();
    const started = await markStarted(stores, job, at);
    const outcome = outcomeOf("secret_unavailable", message);
    await endAttempt(
      stores,
      started,
      { outcome, logBytes: 0, processesLeft: 0, usage: null },
      { at, random },
    );
  });
}

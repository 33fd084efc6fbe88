import type { AttemptRef, Job } from "@hodei/domain";
import type { Deps } from "./deps.ts";
import type { OpenSession } from "./sessions.ts";

/** One turn: sends to each worker connected here the assignments, cancels and drains that its session has not carried. */
export async function dispatchAssignments(
  deps: Pick<Deps, "database" | "sessions">,
): Promise<undefined> {
  const open = new Map(deps.sessions.all().map((session) => [session.workerId, session]));
  if (open.size === 0) return;
  const jobs = await deps.database.readers.jobs.listOfWorkers([...open.keys()]);
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

async function dispatch(
  deps: Pick<Deps, "database">,
  session: OpenSession,
  job: Job,
): Promise<void> {
  if (job.lease === null) return;
  const { token } = job.lease;
  const ref: AttemptRef = { jobId: job.id, attempt: job.attempt, leaseToken: token };
  if (job.state === "assigned" && !session.sentAssignments.has(token)) {
    const spec = await deps.database.readers.jobs.getSpec(job.id);
    session.sentAssignments.add(token);
    session.send({ type: "assignment", ref, spec });
  }
  if (job.cancelRequest !== null && !session.sentCancels.has(token)) {
    session.sentCancels.add(token);
    session.send({ type: "cancel_attempt", ref });
  }
}

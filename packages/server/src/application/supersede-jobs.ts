import {
  applyJobEvent,
  type Candidate,
  type Job,
  keyText,
  type LimitKey,
  loopCause,
  type Plan,
  supersededJobs,
} from "@hodei/domain";
import { cancelEvent } from "./cancel-job.ts";
import type { Deps } from "./deps.ts";

type SupersedeDeps = Pick<Deps, "database" | "clock">;

/**
 * Lets the jobs make way that hold the place of one whose spec says so (`cancel_in_progress`), or would take it later: an older
 * one that waits, such as for another try, is not to run after the newer one that has got its place.
 */
export async function supersedeJobs(
  deps: SupersedeDeps,
  candidates: readonly Candidate[],
  { placements, heldBack }: Pick<Plan, "placements" | "heldBack">,
): Promise<void> {
  const waiting = heldBack.filter(({ obstacle }) => obstacle.code === "concurrency");
  const wanted = new Set([...waiting, ...placements].map(({ jobId }) => jobId));
  const keys = new Map<string, LimitKey>();
  for (const { jobId, tenantId, concurrency } of candidates) {
    if (!wanted.has(jobId) || concurrency?.onConflict !== "cancel_in_progress") continue;
    const key = { tenantId, key: concurrency.key };
    keys.set(keyText(key), key);
  }
  for (const key of keys.values()) await supersede(deps, key);
}

async function supersede(deps: SupersedeDeps, key: LimitKey): Promise<void> {
  const now = deps.clock.now();
  const { job, older } = jobsInTheWay(await deps.database.readers.limits.listUnfinished(key), now);
  if (job === undefined || older.length === 0) return;
  const by = `job ${job.id}, which is newer and has the same concurrency key \`${key.key}\``;
  // In the same order everywhere, so that two who lock several do not wait for each other.
  const ids = older.map(({ id }) => id).toSorted();
  await deps.database.transact(async ({ jobs }) => {
    for (const id of ids) {
      const current = await jobs.lock(id);
      if (current.outcome !== null || current.cancelRequest !== null) continue;
      const event = cancelEvent(current, now, { by, causedBy: loopCause("schedule") });
      await jobs.update(applyJobEvent(current, event), [event]);
    }
  });
}

/** The newest job that has its place, or is due and wants it, and those that have to make way and were not asked yet. */
function jobsInTheWay(
  unfinished: readonly Job[],
  now: Date,
): { readonly job: Job | undefined; readonly older: readonly Job[] } {
  const job = unfinished.findLast(
    ({ state, isBlocked, runAt, cancelRequest, policy }) =>
      (state === "pending" ? !isBlocked && runAt <= now : cancelRequest === null) &&
      policy.concurrency?.onConflict === "cancel_in_progress",
  );
  const concurrency = job?.policy.concurrency;
  if (job === undefined || !concurrency) return { job, older: [] };
  const older = supersededJobs(unfinished, { id: job.id, concurrency });
  return { job, older: older.filter(({ cancelRequest }) => cancelRequest === null) };
}

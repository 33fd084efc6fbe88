import type { Deps } from "./deps.ts";

const DAY_MS = 86_400_000;
/** Jobs, and keys, of one turn, so that its transaction is short; where there are more, the next turn comes at once. */
const MOVE_LIMIT_COUNT = 500;

/**
 * One turn: jobs that ended a while ago make room for those that live, and idempotency keys of jobs that are gone are
 * forgotten. So it makes no difference to what the scheduler reads how many jobs there have ever been.
 */
export async function moveFinishedJobs({
  database,
  clock,
  settings,
}: Pick<Deps, "database" | "clock" | "settings">): Promise<Date | undefined> {
  const now = clock.now();
  const endedUntil = new Date(now.getTime() - settings.finishedSettleMs);
  // Jobs go by whole days: the keys of the day that is about to go are not looked at again and again.
  const createdBefore = new Date(now.getTime() - settings.jobRetentionMs - DAY_MS);
  const counts = await database.transact(async ({ jobs }) => [
    await jobs.moveFinished(endedUntil, MOVE_LIMIT_COUNT),
    await jobs.forgetKeys(createdBefore, MOVE_LIMIT_COUNT),
  ]);
  return counts.includes(MOVE_LIMIT_COUNT) ? now : undefined;
}

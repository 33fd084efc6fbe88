import type { Attempt, Database } from "@hodei/domain";
import { aNewJob } from "../builders.ts";

/** Stores `attempt` as it is, with a job to belong to, whatever the state of that. */
export async function putAttempt(
  database: Pick<Database, "transact" | "insertJobs" | "readers">,
  attempt: Attempt,
): Promise<void> {
  if ((await database.readers.jobs.find(attempt.jobId)) === undefined) {
    await database.insertJobs([aNewJob({ id: attempt.jobId })]);
  }
  await database.transact(async ({ jobs }) => {
    const job = await jobs.lock(attempt.jobId);
    await jobs.updateAll([{ job, events: [], attempt }]);
  });
}

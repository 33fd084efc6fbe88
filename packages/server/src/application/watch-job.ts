import { isTerminal, type Job, type JobId, type StopSignal } from "@hodei/domain";
import type { Deps } from "./deps.ts";
import { findOwnJob } from "./get-job.ts";
import type { Principal } from "./principal.ts";

/**
 * The job as it stands, then again after changes (several may fall into one), up to and with its terminal state.
 * @throws PlatformError `not_found`
 */
export async function* watchJob(
  deps: Pick<Deps, "database" | "signals" | "settings">,
  principal: Principal,
  id: JobId,
  stop: StopSignal,
): AsyncGenerator<Job> {
  const wakeup = deps.signals.subscribe([`job:${id}`]);
  let version = 0;
  try {
    while (!stop.aborted) {
      const job = await findOwnJob(deps, principal, id);
      if (job.version !== version) yield job;
      if (isTerminal(job.state)) return;
      version = job.version;
      await wakeup.wait(deps.settings.pollIntervalMs, stop);
    }
  } finally {
    wakeup.close();
  }
}

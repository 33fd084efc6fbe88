import type { FinishedRun, Violation } from "../history/finished-run.ts";

/** Nothing of a job runs once its end was told, and nothing of any attempt is left when all is over. */
export function checkCancelProved({
  ends,
  attempts,
  leftovers,
}: FinishedRun): readonly Violation[] {
  const violate = (message: string, jobId: string | null) => ({
    promise: "cancel-proved",
    message,
    jobId,
  });
  return [
    ...ends
      .filter(({ processes }) => processes.length > 0)
      .map(({ jobId, state, processes }) =>
        violate(`was told ${state} while these lived: ${processes}`, jobId),
      ),
    ...attempts
      .filter(({ processesLeft }) => processesLeft > 0)
      .map(({ jobId, number, processesLeft }) =>
        violate(`attempt ${number} left ${processesLeft} processes`, jobId),
      ),
    ...leftovers.map((left) => violate(`left behind: ${left}`, null)),
  ];
}

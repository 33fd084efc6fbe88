import type { FinishedRun, Violation } from "../finished-run.ts";

/** Repeats of a call with an idempotency key make one job, and are answered with that one. */
export function checkOneJobPerKey({ history, jobs, scenario }: FinishedRun): Violation[] {
  const jobsByName = Map.groupBy(jobs.values(), ({ name }) => name);
  const made = scenario.requests
    .filter(({ idempotencyKey }) => idempotencyKey !== null)
    .flatMap(({ name, isRunAgain }) => {
      const count = jobsByName.get(name)?.length ?? 0;
      return count <= (isRunAgain ? 2 : 1) ? [] : [`${name} made ${count} jobs`];
    });
  const answers = Map.groupBy(history.answers, ({ idempotencyKey }) => idempotencyKey);
  const answered = [...answers].flatMap(([key, list]) => {
    const ids = new Set(list.map(({ jobId }) => jobId));
    return key === null || ids.size === 1 ? [] : [`${key} was answered with ${ids.size} jobs`];
  });
  return [...made, ...answered].map((message) => ({
    promise: "one-job-per-key",
    message,
    subject: null,
  }));
}

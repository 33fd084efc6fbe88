import type { FinishedRun, Violation } from "../finished-run.ts";

/** The events of a job or worker have every version from 1 to the stored one, in order. */
export function checkGaplessEvents({ events, jobs, workers }: FinishedRun): Violation[] {
  const bySubject = Map.groupBy(events, ({ subjectId }) => subjectId);
  return [...jobs.values(), ...workers].flatMap(({ id, version }) => {
    const versions = (bySubject.get(id) ?? []).map((event) => event.version);
    const distinct = versions.filter((value, index) => value !== versions[index - 1]);
    const isGapless =
      distinct.length === version && distinct.every((value, index) => value === index + 1);
    if (isGapless) return [];
    const message = `is at version ${version}, and its events say ${versions.join(" ")}`;
    return [{ promise: "gapless-events", message, subject: id }];
  });
}

import {
  type Attempt,
  isTerminal,
  type Job,
  type JobId,
  type Outcome,
  type StoredEvent,
} from "@hodei/domain";
import type { FinishedRun, Violation } from "../finished-run.ts";
import { isJobEnd } from "../job-ends.ts";
import { markOf } from "../program.ts";

/**
 * A job ends once; every result that was accepted came under the lease that was current then; what workers were told and
 * what clients saw agrees with it.
 */
export function checkOneResult(run: FinishedRun): Violation[] {
  const eventsByJob = Map.groupBy(run.events, ({ subjectId }) => subjectId as JobId);
  const messages = [...run.jobs.values()].map((job): [JobId, string[]] => {
    const events = eventsByJob.get(job.id) ?? [];
    const attempts = run.attempts.get(job.id) ?? [];
    return [job.id, [...checkEnd(job, events), ...checkResults(attempts, events)]];
  });
  messages.push(...checkAcks(run), ...checkObservations(run));
  return messages.flatMap(([subject, texts]) =>
    texts.map((message) => ({ promise: "one-result", message, subject })),
  );
}

function checkEnd(job: Job, events: readonly StoredEvent[]): string[] {
  const ends = events.filter(({ type }) => isJobEnd(type));
  if (!isTerminal(job.state)) return ends.map(({ type }) => `is ${job.state} after ${type}`);
  if (ends.length !== 1) return [`has ${ends.length} ends: ${ends.map(({ type }) => type)}`];
  const last = events.at(-1);
  if (last?.type === `job.${job.state}`) return [];
  return [`is ${job.state}, but its last event is ${last?.type}`];
}

/** Follows the events: which attempt was current when a worker's outcome was taken over? */
function checkResults(attempts: readonly Attempt[], events: readonly StoredEvent[]): string[] {
  const messages: string[] = [];
  let current: number | undefined;
  for (const { type, data } of events) {
    if (type === "job.assigned") current = data.attempt as number;
    const mark = markOf((data.outcome as Outcome | undefined) ?? null);
    if (mark === undefined) continue;
    const attempt = attempts.find(({ number }) => number === current);
    if (attempt?.leaseToken !== mark) {
      messages.push(
        `${type} took a result under lease ${mark} while attempt ${current} was current`,
      );
    }
  }
  for (const { number, outcome, leaseToken } of attempts) {
    const mark = markOf(outcome);
    if (mark !== undefined && mark !== leaseToken) {
      messages.push(`attempt ${number} has a result that came under another lease`);
    }
  }
  return messages;
}

function checkAcks({ history, attempts }: FinishedRun): [JobId, string[]][] {
  return history.resultAcks.map(({ ref, accepted }) => {
    const attempt = attempts.get(ref.jobId)?.find(({ number }) => number === ref.attempt);
    const isStored = markOf(attempt?.outcome ?? null) === ref.leaseToken;
    const said = accepted ? "accepted" : "refused";
    const kept = isStored ? "stored" : "not stored";
    const text = `its worker was told that the result of attempt ${ref.attempt} was ${said}; it is ${kept}`;
    return [ref.jobId, accepted === isStored ? [] : [text]];
  });
}

function checkObservations({ history, jobs }: FinishedRun): [JobId, string[]][] {
  const latest = new Map<JobId, number>();
  return history.observations.map(({ jobId, state, version }) => {
    const job = jobs.get(jobId);
    const texts: string[] = [];
    if (version < (latest.get(jobId) ?? 0)) texts.push(`went back to version ${version}`);
    if (isTerminal(state) && (job?.state !== state || job.version !== version)) {
      texts.push(`was seen ${state}, and is ${job?.state} now`);
    }
    latest.set(jobId, version);
    return [jobId, texts];
  });
}

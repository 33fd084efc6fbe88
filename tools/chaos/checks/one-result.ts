import { isTerminal, JOB_TRANSITIONS, type JobEvent, type JobState } from "@hodei/domain";
import type { EventRecord, FinishedRun, Violation } from "../history/finished-run.ts";
import { historiesOf, type JobHistory, progressOf } from "./run-index.ts";

/** A job's events are a way through its states that ends once, and everything else that is known agrees with it. */
export function checkOneResult(run: FinishedRun): readonly Violation[] {
  const findProgress = progressOf(run);
  const ends = new Map(run.ends.map(({ jobId, state }) => [jobId, state]));
  return historiesOf(run).flatMap((history) => {
    const { jobId, attempts } = history;
    const messages = [
      ...checkWay(history.events, history.record?.state),
      ...checkAttempts(history),
      ...checkObserved(history, ends.get(jobId)),
      ...attempts
        .filter(({ number }) => findProgress(jobId, number).length > 1)
        .map(({ number }) => `attempt ${number} was started more than once`),
    ];
    return messages.map((message) => ({ promise: "one-result", message, jobId }));
  });
}

function checkWay(events: readonly EventRecord[], state: JobState | undefined): readonly string[] {
  let current: JobState | undefined;
  for (const [index, { type, version }] of events.entries()) {
    const before = events[index - 1]?.version ?? 0;
    // One change may have several events.
    if (version !== before && version !== before + 1)
      return [`version ${version} follows ${before}`];
    const name = type.replace(/^job\./, "");
    const next =
      current === undefined
        ? name === "created"
          ? "pending"
          : undefined
        : JOB_TRANSITIONS[current][name as JobEvent["type"]];
    if (next === undefined) return [`${type} came while the job was ${current ?? "not there"}`];
    current = next;
  }
  return current === state ? [] : [`is ${state}, and its events lead to ${current}`];
}

function checkAttempts({ record, attempts, plan }: JobHistory): readonly string[] {
  if (record === undefined) return [];
  const messages: string[] = [];
  const last = attempts.at(-1);
  if (
    attempts.some(({ number }, index) => number !== index + 1) ||
    (last?.number ?? 0) !== record.attempt
  ) {
    messages.push(
      `is at attempt ${record.attempt} and has ${attempts.map(({ number }) => number)}`,
    );
  }
  if (record.startedAttempts > plan.maxAttempts) {
    messages.push(`started ${record.startedAttempts} of ${plan.maxAttempts} attempts`);
  }
  const succeeded = attempts.filter(({ state }) => state === "succeeded");
  if (succeeded.length !== (record.state === "succeeded" ? 1 : 0)) {
    messages.push(`is ${record.state} with ${succeeded.length} attempts that succeeded`);
  }
  const open = attempts.filter(({ finishedAt }) => finishedAt === null);
  if (isTerminal(record.state) && open.length > 0)
    messages.push(`has ended, attempt ${open[0]?.number} has not`);
  return messages;
}

/** What somebody was told as the end is the end. */
function checkObserved({ record }: JobHistory, seen: string | undefined): readonly string[] {
  if (seen === undefined || seen === record?.state) return [];
  return [`was seen ${seen}, and is ${record?.state}`];
}

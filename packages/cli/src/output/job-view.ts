import {
  type Attempt,
  AttemptState,
  ExitReason,
  type Job,
  JobState,
  type Outcome,
} from "@hodei/proto/hodei/v1/job";
import { durationMs, timestampDate } from "@hodei/sdk";
import { formatDuration } from "../values/duration.ts";
import { formatSize } from "../values/size.ts";
import { enumWord } from "./enum-word.ts";
import { type Cell, facts, type Style, table } from "./text.ts";
import { age, instant, type Timestamp } from "./time.ts";

type Paint = (style: Style, text: string) => string;

/** The state of a job in one word, coloured by whether it is well. */
function stateCell(state: JobState): Cell {
  return { text: enumWord(JobState, state), style: STATE_STYLES.get(state) ?? "dim" };
}

const STATE_STYLES: ReadonlyMap<JobState, Style> = new Map<JobState, Style>([
  [JobState.PENDING, "yellow"],
  [JobState.ASSIGNED, "yellow"],
  [JobState.RUNNING, "blue"],
  [JobState.SUCCEEDED, "green"],
  [JobState.FAILED, "red"],
  [JobState.TIMED_OUT, "red"],
  [JobState.CANCELLED, "dim"],
]);

/** A list of jobs as a table. */
export function jobTable(jobs: readonly Job[], now: Date, paint: Paint): string {
  const rows = jobs.map((job): Cell[] => [
    job.id,
    stateCell(job.state),
    job.outcome === undefined ? "" : outcomeText(job.outcome),
    `${job.attempt}`,
    age(job.createdAt, now),
    runTime(job, now),
    job.name,
  ]);
  return table(["ID", "STATE", "OUTCOME", "ATTEMPT", "AGE", "RAN", "NAME"], rows, paint);
}

/** How a job ended, in a word: `exit 7`, `SIGKILL`, `run_timeout`. */
export function outcomeText(outcome: Outcome): string {
  if (outcome.reason === ExitReason.NON_ZERO_EXIT || outcome.reason === ExitReason.COMPLETED) {
    return `exit ${outcome.exitCode ?? 0}`;
  }
  if (outcome.reason === ExitReason.SIGNAL) return outcome.signal;
  return enumWord(ExitReason, outcome.reason);
}

/** All about one job. */
export function jobFacts(
  {
    job,
    attempts = [],
    keptUntil,
  }: {
    readonly job: Job;
    readonly attempts?: readonly Attempt[];
    readonly keptUntil?: Timestamp | undefined;
  },
  now: Date,
  paint: Paint,
): string {
  const labels = Object.entries(job.labels).map(([name, value]) => `${name}=${value}`);
  const about = facts(
    [
      ["id", job.id],
      ["name", job.name],
      ["state", stateCell(job.state)],
      ["outcome", job.outcome && outcomeText(job.outcome)],
      ["message", job.outcome?.message || undefined],
      ["priority", job.priority === 0 ? undefined : `${job.priority}`],
      ["labels", labels.length === 0 ? undefined : labels.join(", ")],
      ["created", instant(job.createdAt)],
      ["not before", waitsUntil(job, now) ? instant(job.runAt) : undefined],
      ["started", instant(job.startedAt)],
      ["finished", instant(job.finishedAt)],
      ["kept until", instant(keptUntil)],
      ["cancel asked", instant(job.cancelRequestedAt)],
      ["preempted", timesOf(job.preemptionCount)],
    ],
    paint,
  );
  return attempts.length === 0 ? about : `${about}\n${attemptTable(attempts, now, paint)}`;
}

function timesOf(count: number): string | undefined {
  if (count === 0) return undefined;
  return count === 1 ? "once" : `${count} times`;
}

function attemptTable(attempts: readonly Attempt[], now: Date, paint: Paint): string {
  const rows = attempts.map((attempt): Cell[] => [
    `${attempt.number}`,
    enumWord(AttemptState, attempt.state),
    attemptOutcome(attempt),
    runTime(attempt, now),
    attempt.usage?.cpuTime === undefined ? "" : formatDuration(durationMs(attempt.usage.cpuTime)),
    attempt.usage === undefined ? "" : formatSize(Number(attempt.usage.peakMemoryBytes)),
    formatSize(Number(attempt.logBytes)),
    attempt.workerId,
  ]);
  return table(
    ["ATTEMPT", "STATE", "OUTCOME", "RAN", "CPU", "MEMORY", "LOG", "WORKER"],
    rows,
    paint,
  );
}

function attemptOutcome({ outcome, processesLeft }: Attempt): string {
  if (outcome === undefined) return "";
  return processesLeft === 0
    ? outcomeText(outcome)
    : `${outcomeText(outcome)}, ${processesLeft} process(es) left`;
}

/** How long a job or an attempt ran, or has been running. */
function runTime(ran: Pick<Attempt, "startedAt" | "finishedAt">, now: Date): string {
  if (ran.startedAt === undefined) return "";
  const end = ran.finishedAt === undefined ? now : timestampDate(ran.finishedAt);
  return formatDuration(Math.max(0, end.getTime() - timestampDate(ran.startedAt).getTime()));
}

function waitsUntil(job: Job, now: Date): boolean {
  return (
    job.state === JobState.PENDING && job.runAt !== undefined && timestampDate(job.runAt) > now
  );
}

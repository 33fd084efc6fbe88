import type { AttemptRecord, FinishedRun, Violation } from "../history/finished-run.ts";
import { expectedSha256, type LogDigest, type StreamDigest } from "../history/log-digest.ts";
import type { JobPlan } from "../plan/job-plan.ts";
import { Output, type Stream } from "../program/output.ts";
import type { Progress } from "../program/progress.ts";
import { historiesOf, progressOf } from "./run-index.ts";
import { checkSecretLog } from "./secret-log.ts";

const STREAMS = ["stdout", "stderr"] as const;
const RAN_TO_ITS_END: ReadonlySet<string> = new Set(["completed", "non_zero_exit"]);
/** Ends that a worker saw: it has read all that was written. */
const SEEN: ReadonlySet<string> = new Set([
  ...RAN_TO_ITS_END,
  "cancelled_by",
  "run_timeout",
  "oom_killed",
  "signal",
]);

/** How many bytes of a stream must be stored at least, and may be at most. */
interface Bounds {
  readonly least: number;
  readonly most: number;
}

/** One attempt with all that is known of its log. */
interface LogCase {
  readonly plan: JobPlan;
  readonly attempt: AttemptRecord;
  readonly log: LogDigest;
  /** `undefined`: its program never came to write. */
  readonly progress: Progress | undefined;
}

/** What is stored of each attempt is what it wrote: all of it if its end was seen, else the beginning of it. */
export function checkLogsWhole(run: FinishedRun): readonly Violation[] {
  const findProgress = progressOf(run);
  const logs = new Map(run.logs.map((log) => [`${log.jobId}/${log.attempt}`, log]));
  const secrets = new Map(run.plan.secrets.map((secret) => [secret.name, secret]));
  return historiesOf(run).flatMap(({ jobId, plan, attempts }) =>
    attempts.flatMap((attempt) => {
      const log = logs.get(`${jobId}/${attempt.number}`);
      const progress = findProgress(jobId, attempt.number)[0];
      const given = plan.task.secretNames.flatMap((name) => secrets.get(name) ?? []);
      const isComplete = hasRunToItsEnd({ plan, attempt });
      const messages =
        log === undefined
          ? ["has no log that could be read"]
          : [
              ...checkAlways({ plan, attempt, log, progress }),
              ...(plan.task.writing.content === "secrets"
                ? checkSecretLog(given, log, { isComplete })
                : STREAMS.flatMap((stream) =>
                    checkStream({ plan, attempt, log, progress }, stream),
                  )),
            ];
      const subject = `attempt ${attempt.number} (${plan.behaviour}, ${plan.task.writing.content}, ${attempt.reason})`;
      return messages.map((message) => ({
        promise: "logs-whole",
        message: `${subject} ${message}`,
        jobId,
      }));
    }),
  );
}

function checkAlways({ plan, attempt, log, progress }: LogCase): readonly string[] {
  const messages = log.breaks.map((place) => `is silent about what is missing: ${place}`);
  const bytes = log.stdout.bytes + log.stderr.bytes;
  if (isSeen(attempt) && attempt.logBytes !== bytes) {
    messages.push(`was reported with ${attempt.logBytes} bytes of log and has ${bytes}`);
  }
  const gaps = STREAMS.flatMap((stream) => log[stream].gaps);
  if (gaps.some(({ reason }) => reason !== "dropped"))
    messages.push("was cut at a limit that it has not");
  if (plan.overflow === "block" && gaps.length > 0)
    messages.push("has gaps, and its job was to wait");
  const hasNotes = plan.behaviour === "numbers" || progress?.isComplete === true;
  if (hasRunToItsEnd({ plan, attempt }) && !hasNotes)
    messages.push("has ended, and its program did not get there");
  return messages;
}

function checkStream(logCase: LogCase, stream: Stream): readonly string[] {
  const stored: StreamDigest = logCase.log[stream];
  const { least, most } = boundsOf(logCase, stream);
  if (stored.bytes < least || stored.bytes > most) {
    return [
      `has ${stored.bytes} bytes of ${stream}, and ${least === most ? least : `${least} to ${most}`} were written`,
    ];
  }
  const expected = expectedSha256(logCase.plan.task.writing, stream, stored);
  return stored.sha256 === expected
    ? []
    : [`has other bytes in ${stream} than were written (${stored.bytes} bytes)`];
}

function boundsOf({ plan, attempt, progress }: LogCase, stream: Stream): Bounds {
  const { lengthBytes } = new Output(plan.task.writing, stream);
  if (hasRunToItsEnd({ plan, attempt })) return { least: lengthBytes, most: lengthBytes };
  if (plan.behaviour === "numbers") return { least: 0, most: lengthBytes };
  const least = isSeen(attempt) ? (progress?.written[stream] ?? 0) : 0;
  return { least, most: progress?.intended[stream] ?? 0 };
}

const isSeen = ({ reason, startedAt }: AttemptRecord): boolean =>
  reason !== null && startedAt !== null && SEEN.has(reason);

function hasRunToItsEnd({ plan, attempt }: Pick<LogCase, "plan" | "attempt">): boolean {
  return RAN_TO_ITS_END.has(attempt.reason ?? "") && plan.behaviour !== "fork-bomb";
}

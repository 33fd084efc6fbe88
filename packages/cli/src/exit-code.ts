import { constants } from "node:os";
import { ExitReason, type Job, type Outcome } from "@hodei/proto/hodei/v1/job";

/** The run time-out or the deadline ended the job; as timeout(1). */
const TIMED_OUT = 124;
/** The platform could not run the job, or not to its end; as docker-run(1) and env(1) use it. */
const PLATFORM_FAILED = 125;
/** The command was found and could not be executed; as the shell. */
const NOT_EXECUTABLE = 126;
/** The command was not found; as the shell. */
const NOT_FOUND = 127;
/** A process that signal n ended; as the shell. */
const SIGNAL_BASE = 128;

/** Exit code that stands for how a job ended. A job without an outcome counts as a failure of the platform. */
export function exitCodeOfJob(job: Pick<Job, "outcome">): number {
  return job.outcome === undefined ? PLATFORM_FAILED : exitCodeOf(job.outcome);
}

function exitCodeOf(outcome: Outcome): number {
  switch (outcome.reason) {
    case ExitReason.COMPLETED:
      return 0;
    case ExitReason.NON_ZERO_EXIT:
      return outcome.exitCode ?? PLATFORM_FAILED;
    case ExitReason.SIGNAL:
      return exitCodeOfSignal(outcome.signal);
    case ExitReason.OOM_KILLED:
      return exitCodeOfSignal("SIGKILL");
    case ExitReason.CANCELLED_BY:
      return exitCodeOfSignal("SIGINT");
    case ExitReason.RUN_TIMEOUT:
    case ExitReason.DEADLINE_EXCEEDED:
      return TIMED_OUT;
    case ExitReason.COMMAND_NOT_FOUND:
      return NOT_FOUND;
    case ExitReason.PERMISSION_DENIED:
      return NOT_EXECUTABLE;
    default:
      return PLATFORM_FAILED;
  }
}

/** 128 + the signal's number on this machine; an unknown signal counts as SIGKILL. */
export function exitCodeOfSignal(name: string): number {
  const numbers: ReadonlyMap<string, number> = new Map(Object.entries(constants.signals));
  return SIGNAL_BASE + (numbers.get(name) ?? constants.signals.SIGKILL);
}

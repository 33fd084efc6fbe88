import {
  type AttemptRef,
  type Command,
  type JobSpec,
  type LogStream,
  type Outcome,
  outcomeOf,
  type Requirements,
  type Script,
  type Timeouts,
  type Usage,
} from "@hodei/domain";
import type { AttemptSecret } from "./secrets/deliver-secrets.ts";

/** A form of work this worker cannot run; the attempt ends as `invalid_spec`. */
export interface UnsupportedWork {
  readonly kind: "unsupported";
  /** Such as `a container`. */
  readonly what: string;
}

/** What of a job spec the worker acts on. */
export interface AttemptSpec
  extends Pick<JobSpec, "env" | "workingDir" | "stdin" | "files" | "logPolicy">,
    Pick<JobSpec, "keepBackground" | "isolation">,
    Pick<Requirements, "cpuMillis" | "memoryBytes" | "gpuCount">,
    Pick<Timeouts, "runMs" | "graceMs"> {
  readonly work: Command | Script | UnsupportedWork;
  /** Zeroed when the process has been given them. */
  readonly secrets: readonly AttemptSecret[];
}

/** Where the output of an attempt goes. */
export interface AttemptOutput {
  /** Takes what was read, always. `false`: read no more until `resumeOutput` is called. */
  write(stream: LogStream, bytes: Uint8Array): boolean;
}

/** How an attempt ended, seen from its processes. */
export interface AttemptEnd {
  readonly outcome: Outcome;
  /** Processes of the attempt that could not be ended, or that the spec wants to live on. */
  readonly processesLeft: number;
  /** `null` where it cannot be measured: without a control group. */
  readonly usage: Usage | null;
}

/** An attempt under way. */
export interface AttemptRun {
  /** Resolves when no process is left, or none that can be ended, and all output was written. Never rejects. */
  readonly ended: Promise<AttemptEnd>;
  /** SIGTERM to all processes, then SIGKILL after the grace; the attempt ends as `outcome`. The first call counts. */
  terminate(outcome: Outcome): void;
  /** SIGKILL to all processes now. */
  kill(): void;
  /** Goes on reading after `write` returned `false`. */
  resumeOutput(): void;
}

/** Starts an attempt; returns at once. */
export type StartAttempt = (
  ref: AttemptRef,
  spec: AttemptSpec,
  output: AttemptOutput,
) => AttemptRun;

/** The run of an attempt that was over before this worker began. */
export function endedRun(): AttemptRun {
  const outcome = outcomeOf("worker_lost", "The worker that ran the attempt is gone.");
  return {
    ended: Promise.resolve({ outcome, processesLeft: 0, usage: null }),
    terminate: () => {},
    kill: () => {},
    resumeOutput: () => {},
  };
}

/** Who has to act: the author of the job, the owner of the machines, or the makers of Hodei. */
export type Severity = "none" | "user" | "infrastructure" | "platform";

export interface ExitReasonFacts {
  readonly severity: Severity;
  /** Retried when the policy names no reasons of its own. */
  readonly retryable: boolean;
  /** State a job ends in when this ends it. */
  readonly endState: "succeeded" | "failed" | "cancelled" | "timed_out";
  /** What to do next, one sentence. */
  readonly action: string;
}

/** Every way an attempt or a job can end. Closed: a new one needs a line here, in the proto and in the SQL check. */
// biome-ignore format: a table reads better in columns
export const EXIT_REASONS = {
  completed:          { severity: "none",           retryable: false, endState: "succeeded", action: "Nothing to do." },
  non_zero_exit:      { severity: "user",           retryable: true,  endState: "failed",    action: "Read the end of the log: the command itself reported a failure." },
  signal:             { severity: "user",           retryable: true,  endState: "failed",    action: "Find out who sent the signal: the command, a crash (SIGSEGV, SIGABRT), or the machine." },
  oom_killed:         { severity: "user",           retryable: false, endState: "failed",    action: "Ask for more memory, or make the command need less." },
  run_timeout:        { severity: "user",           retryable: true,  endState: "timed_out", action: "Raise the run time-out, or find out why the command took longer." },
  queue_timeout:      { severity: "infrastructure", retryable: false, endState: "timed_out", action: "Run `hodei jobs explain`; add workers or raise the queue time-out." },
  deadline_exceeded:  { severity: "user",           retryable: false, endState: "timed_out", action: "Set a later deadline, submit earlier, or find out why the job waited or ran longer." },
  cancelled_by:       { severity: "none",           retryable: false, endState: "cancelled", action: "Nothing to do: somebody asked for it." },
  dropped:            { severity: "user",           retryable: false, endState: "cancelled", action: "Submit it again when the key is free, or choose another conflict policy." },
  dependency_failed:  { severity: "user",           retryable: false, endState: "cancelled", action: "Look at the job that the message names; when that has ended as it is to, run this one again after it." },
  preempted:          { severity: "none",           retryable: true,  endState: "cancelled", action: "Nothing to do: the job runs again when there is room, and no retry is used up." },
  worker_lost:        { severity: "infrastructure", retryable: true,  endState: "failed",    action: "Look at the worker's machine; allow retries if the job may run again." },
  provider_reclaimed: { severity: "infrastructure", retryable: true,  endState: "failed",    action: "Allow retries, or use a provider that does not take machines back." },
  image_pull_failed:  { severity: "user",           retryable: true,  endState: "failed",    action: "Check the image's name and the registry's credentials." },
  command_not_found:  { severity: "user",           retryable: false, endState: "failed",    action: "Install the program on the worker, or give its full path." },
  permission_denied:  { severity: "user",           retryable: false, endState: "failed",    action: "Make the file executable and readable for the worker's user." },
  spawn_failed:       { severity: "infrastructure", retryable: true,  endState: "failed",    action: "Look at the worker's limits on processes, memory and open files." },
  secret_unavailable: { severity: "user",           retryable: false, endState: "failed",    action: "Create the secret, or grant the job access to it." },
  input_failed:       { severity: "user",           retryable: false, endState: "failed",    action: "Check the working directory and the input files of the spec." },
  output_failed:      { severity: "infrastructure", retryable: true,  endState: "failed",    action: "Look at the worker's disk and its connection." },
  disk_full:          { severity: "infrastructure", retryable: true,  endState: "failed",    action: "Free disk space on the worker, or ask for disk in the spec." },
  unkillable:         { severity: "infrastructure", retryable: false, endState: "failed",    action: "Look at the processes named in the message; the machine may need a restart." },
  invalid_spec:       { severity: "user",           retryable: false, endState: "failed",    action: "Correct the spec as the message says." },
  internal:           { severity: "platform",       retryable: true,  endState: "failed",    action: "Report it with the job's id: this is a fault of Hodei." },
} as const satisfies Record<string, ExitReasonFacts>;

export type ExitReason = keyof typeof EXIT_REASONS;

/** Whether an attempt that ended so ended by the fault of its worker or its machine, whatever the job did. */
export function isWorkerFault(reason: ExitReason): boolean {
  return EXIT_REASONS[reason].severity === "infrastructure";
}

/** How an attempt or a job ended. */
export interface Outcome {
  readonly reason: ExitReason;
  /** Set when the process exited by itself. */
  readonly exitCode: number | null;
  /** Name such as `SIGKILL`; set when a signal ended the process. */
  readonly signal: string | null;
  /** One sentence for people; may be empty. */
  readonly message: string;
}

/** An outcome that no process reported. */
export function outcomeOf(reason: ExitReason, message: string): Outcome {
  return { reason, exitCode: null, signal: null, message };
}

import type { JobState } from "@hodei/domain";
import type { Plan } from "../plan/plan.ts";
import type { Progress } from "../program/progress.ts";
import type { LogDigest } from "./log-digest.ts";
import type { Leak } from "./needle-scan.ts";

/** A job whose creation was answered. */
export interface Submission {
  readonly key: string;
  readonly jobId: string;
}

/** What a client that followed a log to the end of its job read, by attempt. */
export interface TailRecord {
  readonly jobId: string;
  readonly logs: readonly LogDigest[];
}

/** What a client that watched a job saw as its end. */
export interface ObservedEnd {
  readonly jobId: string;
  readonly state: string;
  /** Processes of the job that lived although its end was there. */
  readonly processes: readonly string[];
}

export interface JobRecord {
  readonly id: string;
  readonly name: string;
  readonly state: JobState;
  readonly version: number;
  readonly attempt: number;
  readonly startedAttempts: number;
  readonly reason: string | null;
  readonly exitCode: number | null;
}

export interface AttemptRecord {
  readonly jobId: string;
  readonly number: number;
  readonly workerId: string;
  readonly state: string;
  readonly assignedAt: Date;
  readonly startedAt: Date | null;
  readonly finishedAt: Date | null;
  readonly reason: string | null;
  readonly exitCode: number | null;
  readonly logBytes: number;
  readonly processesLeft: number;
}

export interface EventRecord {
  readonly jobId: string;
  readonly version: number;
  readonly type: string;
  readonly at: Date;
}

export interface WorkerRecord {
  readonly id: string;
  readonly cpuMillis: number;
  readonly memoryBytes: number;
}

/** The most memory that a process was seen with. */
export interface MemoryPeak {
  readonly name: string;
  readonly rssBytes: number;
  readonly boundBytes: number;
}

/** Everything that the checks look at. Of what was found, the checks say whether it may be. */
export interface FinishedRun {
  readonly plan: Plan;
  readonly submissions: readonly Submission[];
  readonly jobs: readonly JobRecord[];
  readonly attempts: readonly AttemptRecord[];
  /** Of jobs, in the order of their versions. */
  readonly events: readonly EventRecord[];
  readonly workers: readonly WorkerRecord[];
  /** Stored, of every attempt. */
  readonly logs: readonly LogDigest[];
  readonly tails: readonly TailRecord[];
  readonly ends: readonly ObservedEnd[];
  readonly progress: readonly Progress[];
  /** Processes, folders, control groups of attempts that were there after everything had ended. */
  readonly leftovers: readonly string[];
  readonly leaks: readonly Leak[];
  readonly memory: readonly MemoryPeak[];
  readonly unexpectedEnds: readonly string[];
}

/** A promise that was not kept, by its name in the design, and where to look. */
export interface Violation {
  readonly promise: string;
  readonly message: string;
  /** Job that it is about, if there is one. */
  readonly jobId: string | null;
}

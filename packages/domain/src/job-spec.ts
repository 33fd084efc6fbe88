import { type Dependency, MAX_DEPENDENCY_COUNT } from "./dependencies.ts";
import { PlatformError } from "./errors.ts";
import type { Concurrency, RateLimit } from "./limits.ts";
import { DEFAULT_RETRY_POLICY, type RetryPolicy } from "./retry-policy.ts";
import { type SecretRef, secretViolations } from "./secrets.ts";

/** Largest spec, as JSON, in bytes. */
export const MAX_SPEC_BYTES = 1024 * 1024;
/** Between SIGTERM and SIGKILL when the spec does not say. */
export const DEFAULT_GRACE_MS = 10_000;
/** Set aside for a job that does not say. */
export const DEFAULT_CPU_MILLIS = 1_000;

/** A program and its arguments, executed as they are. */
export interface Command {
  readonly kind: "command";
  readonly argv: readonly string[];
}

/** A script; its own `#!` line rules, else `interpreter` does. */
export interface Script {
  readonly kind: "script";
  readonly content: string;
  /** A known name (`INTERPRETERS`) or an absolute path. */
  readonly interpreter: string;
  readonly args: readonly string[];
  readonly withoutSafetyPreamble: boolean;
}

export interface InputFile {
  readonly path: string;
  readonly content: Uint8Array;
  readonly executable: boolean;
}

export type ConstraintOperator = "eq" | "ne" | "gt" | "lt" | "in" | "not_in" | "exists";

/** A test on one label of a worker. */
export interface Constraint {
  readonly label: string;
  readonly operator: ConstraintOperator;
  readonly values: readonly string[];
}

/** Lets a job on workers with the taint `key`; with a value of `""`, whatever the taint's is. */
export interface Toleration {
  readonly key: string;
  readonly value: string;
}

/** What an attempt needs of its worker. Zero: nothing is set aside. */
export interface Requirements {
  readonly cpuMillis: number;
  readonly memoryBytes: number;
  readonly diskBytes: number;
  /** Whole GPUs. */
  readonly gpuCount: number;
  /** As workers name it, or `null` for any. */
  readonly gpuModel: string | null;
  /** `x64`, `arm64`, or `null` for any. */
  readonly arch: string | null;
  readonly constraints: readonly Constraint[];
  readonly tolerations: readonly Toleration[];
}

/** A worker for which the constraint holds is better by `weight`, or worse if that is below zero. */
export interface Preference {
  readonly constraint: Constraint;
  /** -100 to 100, not 0; compared with the other weights of the job. */
  readonly weight: number;
}

/** How the best of several feasible workers is found. */
export type PlacementPolicy =
  | "least_loaded"
  | "bin_pack"
  | "spread"
  | "first_available"
  | "round_robin"
  | "reliable";

/** Which of the workers that meet the requirements a job would like to have. */
export interface PlacementTerms {
  readonly preferences: readonly Preference[];
  /** `null`: that of the workers' pool, else of the server. */
  readonly policy: PlacementPolicy | null;
}

export interface Timeouts {
  /** `null`: none. */
  readonly queueMs: number | null;
  /** `null`: none. */
  readonly runMs: number | null;
  readonly graceMs: number;
}

export interface Tags {
  readonly project: string;
  readonly team: string;
  readonly costCentre: string;
}

/** When the worker's spool is full: leave output out and count it, or let the command wait. */
export type LogOverflow = "drop" | "block";

export interface LogPolicy {
  /** Bytes of one attempt's log; what is beyond is left out, and the log says so. `null`: what its pool's workers say. */
  readonly maxBytes: number | null;
  readonly overflow: LogOverflow;
}

/** For a spec that does not say. */
export const DEFAULT_LOG_POLICY: LogPolicy = { maxBytes: null, overflow: "drop" };

/** What an attempt shares with its worker's machine. */
export interface Isolation {
  /** `HOME` is a folder of the attempt, removed with it. */
  readonly privateHome: boolean;
  /** It sees the system read only, and no processes but its own. `HOME` is its own. */
  readonly sandbox: boolean;
}

/** For a spec that does not say. */
export const DEFAULT_ISOLATION: Isolation = { privateHome: false, sandbox: false };

/** What to run and under which terms; immutable. Absent parts of a request have been given their defaults. */
export interface JobSpec {
  readonly name: string;
  readonly work: Command | Script;
  readonly env: Readonly<Record<string, string>>;
  /** Empty: the attempt's private directory. */
  readonly workingDir: string;
  readonly stdin: Uint8Array;
  readonly files: readonly InputFile[];
  /** Values come with the assignment, and only there. */
  readonly secrets: readonly SecretRef[];
  readonly requirements: Requirements;
  readonly placement: PlacementTerms;
  readonly priority: number;
  /** It may be ended for a job of higher priority, and run again. */
  readonly preemptible: boolean;
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
  readonly tags: Tags;
  readonly timeouts: Timeouts;
  readonly retryPolicy: RetryPolicy;
  readonly concurrency: Concurrency | null;
  readonly rateLimit: RateLimit | null;
  /** All must hold before it starts. */
  readonly after: readonly Dependency[];
  /** `null`: at once. */
  readonly notBefore: Date | null;
  /** The job has ended by then; `null`: none. */
  readonly deadline: Date | null;
  readonly logPolicy: LogPolicy;
  /** Processes that outlive the command are left alone and reported; else they are ended. */
  readonly keepBackground: boolean;
  /** How long the job is kept after its end, at least; `null`: as its pool, its tenant or the server is set. */
  readonly retentionMs: number | null;
  readonly isolation: Isolation;
}

/** Interpreters that may be named without a path. */
export const INTERPRETERS = ["bash", "sh", "python3", "node", "perl", "ruby"] as const;

/** The spec of a plain command with every default; `parts` replaces what differs. */
export function createJobSpec(work: Command | Script, parts: Partial<JobSpec> = {}): JobSpec {
  return {
    name: defaultName(work),
    work,
    env: {},
    workingDir: "",
    stdin: new Uint8Array(0),
    files: [],
    secrets: [],
    requirements: {
      cpuMillis: DEFAULT_CPU_MILLIS,
      memoryBytes: 0,
      diskBytes: 0,
      gpuCount: 0,
      gpuModel: null,
      arch: null,
      constraints: [],
      tolerations: [],
    },
    placement: { preferences: [], policy: null },
    priority: 0,
    preemptible: false,
    labels: {},
    annotations: {},
    tags: { project: "", team: "", costCentre: "" },
    timeouts: { queueMs: null, runMs: null, graceMs: DEFAULT_GRACE_MS },
    retryPolicy: DEFAULT_RETRY_POLICY,
    concurrency: null,
    rateLimit: null,
    after: [],
    notBefore: null,
    deadline: null,
    logPolicy: DEFAULT_LOG_POLICY,
    keepBackground: false,
    retentionMs: null,
    isolation: DEFAULT_ISOLATION,
    ...parts,
  };
}

/** First word of the command without its folders, or the interpreter's name. */
function defaultName(work: Command | Script): string {
  const word = work.kind === "command" ? (work.argv[0] ?? "") : work.interpreter;
  return (word.split("/").at(-1) ?? "").replace(/\p{Cc}/gu, "").slice(0, 128);
}

/**
 * Checks what the contract's field rules cannot say. All violations come in one error.
 * @throws PlatformError `invalid_argument`, reason `invalid_spec`
 */
export function checkJobSpec(spec: JobSpec): void {
  const violations = [
    ...workViolations(spec.work),
    ...Object.keys(spec.env)
      .filter((name) => name.startsWith("HODEI_"))
      .map((name) => `env.${name}: names starting with HODEI_ are reserved; choose another`),
    ...spec.files.flatMap(fileViolations),
    ...secretViolations(spec.secrets, spec.env),
    ...spec.requirements.constraints.flatMap((constraint) =>
      constraintViolations("constraints", constraint),
    ),
    ...spec.placement.preferences.flatMap(preferenceViolations),
    ...timeViolations(spec),
    ...dependencyViolations(spec),
  ];
  if (spec.requirements.gpuModel !== null && spec.requirements.gpuCount === 0) {
    violations.push("resources.gpu_model: needs gpu_count");
  }
  if (spec.retryPolicy.baseDelayMs > spec.retryPolicy.maxDelayMs) {
    violations.push("retry_policy.base_delay: must not be above max_delay");
  }
  if (violations.length > 0)
    throw new PlatformError("invalid_argument", "invalid_spec", violations.join("; "));
}

function workViolations(work: Command | Script): string[] {
  if (work.kind === "command") {
    return work.argv[0] ? [] : ["command.argv: must start with the program to run"];
  }
  const known = (INTERPRETERS as readonly string[]).includes(work.interpreter);
  if (known || work.interpreter.startsWith("/")) return [];
  return [
    `script.interpreter: "${work.interpreter.slice(0, 64)}" is unknown; use ${INTERPRETERS.join(", ")} or an absolute path`,
  ];
}

function fileViolations(file: InputFile): string[] {
  const parts = file.path.split("/");
  const inside = !file.path.startsWith("/") && !parts.includes("..") && parts.at(-1) !== "";
  return inside ? [] : [`files: "${file.path.slice(0, 256)}" must be a relative path without ".."`];
}

function timeViolations({ notBefore, deadline }: JobSpec): string[] {
  if (deadline === null || notBefore === null || deadline > notBefore) return [];
  return ["deadline: must be after not_before"];
}

function dependencyViolations({ after }: JobSpec): string[] {
  if (after.length > MAX_DEPENDENCY_COUNT) {
    return [`after: ${after.length} jobs; at most ${MAX_DEPENDENCY_COUNT} can be waited for`];
  }
  const ids = after.map(({ jobId }) => jobId);
  const repeated = new Set(ids.filter((id, index) => ids.indexOf(id) < index));
  return [...repeated].map((id) => `after: job ${id} is named more than once`);
}

function preferenceViolations({ constraint, weight }: Preference): string[] {
  const violations = constraintViolations("preferences", constraint);
  return weight === 0 ? [...violations, "preferences: a weight of 0 says nothing"] : violations;
}

function constraintViolations(field: string, { label, operator, values }: Constraint): string[] {
  const problem = `${field}: ${label} ${operator}`;
  switch (operator) {
    case "exists":
      return values.length === 0 ? [] : [`${problem} takes no value`];
    case "in":
    case "not_in":
      return values.length > 0 ? [] : [`${problem} needs at least one value`];
    case "gt":
    case "lt":
      return values.length === 1 && isNumber(values[0]) ? [] : [`${problem} needs one number`];
    case "eq":
    case "ne":
      return values.length === 1 ? [] : [`${problem} needs exactly one value`];
  }
}

function isNumber(text: string | undefined): boolean {
  return text !== undefined && text.trim() !== "" && Number.isFinite(Number(text));
}

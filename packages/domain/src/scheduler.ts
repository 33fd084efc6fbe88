import type { JobId, WorkerId } from "./ids.ts";
import type { Constraint, Requirements } from "./job-spec.ts";
import type { Capacity } from "./worker.ts";

/** A job that is due and waits for a worker. */
export interface Candidate {
  readonly jobId: JobId;
  readonly version: number;
  readonly priority: number;
  readonly createdAt: Date;
  readonly requirements: Requirements;
}

/** A worker that takes attempts, with what its attempts leave free. */
export interface Host {
  readonly workerId: WorkerId;
  readonly arch: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly capacity: Capacity;
  readonly free: Capacity;
}

/** Why one worker is not feasible for one job; stable, for programs. */
export type RejectionCode = "arch" | "constraint" | "cpu" | "memory" | "disk";

/** Why a job waits. `workerCount` workers say so. */
export interface WaitReason {
  readonly code: RejectionCode | "no_workers";
  readonly message: string;
  readonly workerCount: number;
}

export interface Placement {
  readonly jobId: JobId;
  readonly version: number;
  readonly workerId: WorkerId;
}

export interface Unplaceable {
  readonly jobId: JobId;
  /** Most frequent first. */
  readonly reasons: readonly WaitReason[];
}

export interface Plan {
  readonly placements: readonly Placement[];
  readonly unplaceable: readonly Unplaceable[];
}

/** Higher is better. Pure: same host and requirements, same score. */
export type Scorer = (host: Host, requirements: Requirements) => number;

/** Prefers the worker that keeps the larger share of its cores free. */
export const leastLoaded: Scorer = (host, { cpuMillis }) =>
  (host.free.cpuMillis - cpuMillis) / Math.max(1, host.capacity.cpuMillis);

/** Prefers the fullest worker that still fits, so that others stay empty and can leave. */
export const binPack: Scorer = (host, requirements) => -leastLoaded(host, requirements);

/**
 * Places candidates on hosts: most urgent first (priority, then age, then id), each on its best feasible host; what is
 * placed takes its share at once, so no host is filled beyond what was free. Does not change its arguments.
 */
export function planPlacements(
  candidates: readonly Candidate[],
  hosts: readonly Host[],
  scorer: Scorer,
): Plan {
  const state = hosts.map((host) => ({ ...host }));
  const placements: Placement[] = [];
  const unplaceable: Unplaceable[] = [];
  for (const candidate of candidates.toSorted(byUrgency)) {
    const index = bestHost(state, candidate.requirements, scorer);
    const host = state[index];
    if (host === undefined) {
      unplaceable.push({
        jobId: candidate.jobId,
        reasons: waitReasons(candidate.requirements, state),
      });
      continue;
    }
    const { jobId, version } = candidate;
    placements.push({ jobId, version, workerId: host.workerId });
    state[index] = { ...host, free: subtract(host.free, candidate.requirements) };
  }
  return { placements, unplaceable };
}

function byUrgency(a: Candidate, b: Candidate): number {
  return (
    b.priority - a.priority ||
    a.createdAt.getTime() - b.createdAt.getTime() ||
    (a.jobId < b.jobId ? -1 : 1)
  );
}

/** Index of the feasible host with the highest score, the first among equals; -1 if none is feasible. */
function bestHost(hosts: readonly Host[], requirements: Requirements, scorer: Scorer): number {
  let best = -1;
  let bestScore = Number.NEGATIVE_INFINITY;
  for (const [index, host] of hosts.entries()) {
    if (rejection(host, requirements) !== undefined) continue;
    const score = scorer(host, requirements);
    if (score > bestScore) {
      best = index;
      bestScore = score;
    }
  }
  return best;
}

/** The first filter that `host` fails, or `undefined` if it is feasible. Lasting obstacles come before full hosts. */
export function rejection(host: Host, requirements: Requirements): RejectionCode | undefined {
  const { arch, constraints, cpuMillis, memoryBytes, diskBytes } = requirements;
  if (arch !== null && arch !== host.arch) return "arch";
  if (!constraints.every((constraint) => holds(constraint, host.labels))) return "constraint";
  if (cpuMillis > host.free.cpuMillis) return "cpu";
  if (memoryBytes > host.free.memoryBytes) return "memory";
  // On a disk with nothing to offer, even a job that asks for none would soon fail.
  if (host.capacity.diskBytes <= 0 || diskBytes > host.free.diskBytes) return "disk";
  return undefined;
}

/** Whether `constraint` holds for a worker with `labels`. A missing label fails all but `ne` and `not_in`. */
export function holds(constraint: Constraint, labels: Readonly<Record<string, string>>): boolean {
  const { operator, values } = constraint;
  const actual = labels[constraint.label];
  switch (operator) {
    case "exists":
      return actual !== undefined;
    case "eq":
    case "in":
      return actual !== undefined && values.includes(actual);
    case "ne":
    case "not_in":
      return actual === undefined || !values.includes(actual);
    case "gt":
      return toNumber(actual) > toNumber(values[0]);
    case "lt":
      return toNumber(actual) < toNumber(values[0]);
  }
}

/** NaN for what is no number, so that every comparison with it fails. */
function toNumber(text: string | undefined): number {
  return text === undefined || text.trim() === "" ? Number.NaN : Number(text);
}

/** What is left of `free` when `taken` is set aside. */
export function subtract(free: Capacity, taken: Requirements): Capacity {
  return {
    cpuMillis: free.cpuMillis - taken.cpuMillis,
    memoryBytes: free.memoryBytes - taken.memoryBytes,
    diskBytes: free.diskBytes - taken.diskBytes,
  };
}

/** Why no host takes a job with `requirements`, the most frequent reason first. */
export function waitReasons(
  requirements: Requirements,
  hosts: readonly Host[],
): readonly WaitReason[] {
  if (hosts.length === 0) {
    return [
      { code: "no_workers", message: "no worker is connected and taking jobs", workerCount: 0 },
    ];
  }
  const counts = new Map<RejectionCode, number>();
  for (const host of hosts) {
    const code = rejection(host, requirements);
    if (code !== undefined) counts.set(code, (counts.get(code) ?? 0) + 1);
  }
  return [...counts]
    .map(([code, workerCount]) => ({
      code,
      message: `${workerCount} of ${hosts.length} workers ${describe(code, requirements)}`,
      workerCount,
    }))
    .toSorted((a, b) => b.workerCount - a.workerCount);
}

function describe(code: RejectionCode, requirements: Requirements): string {
  switch (code) {
    case "arch":
      return `are not ${requirements.arch}`;
    case "constraint":
      return "do not meet the constraints";
    case "cpu":
      return `lack ${requirements.cpuMillis / 1000} free cores`;
    case "memory":
      return `lack ${requirements.memoryBytes} bytes of free memory`;
    case "disk":
      return requirements.diskBytes === 0
        ? "have too little free disk to take jobs"
        : `lack ${requirements.diskBytes} bytes of free disk`;
  }
}

import type { JobId, TenantId, WorkerId } from "../ids.ts";
import type { Job } from "../job.ts";
import type { PlacementPolicy, PlacementTerms, Requirements } from "../job-spec.ts";
import type { Capacity, Taint } from "../worker.ts";
import type { TrackRecord } from "./track-record.ts";

/** What a connected worker is to the scheduler; only a `ready` one is given attempts. */
export type HostState = "ready" | "draining" | "disconnected" | "lost";

/** A worker as the scheduler sees it, with what its attempts leave free. */
export interface Host {
  readonly workerId: WorkerId;
  readonly state: HostState;
  /** The only tenant whose jobs it takes; `null`: it takes those of every tenant. */
  readonly tenantId: TenantId | null;
  readonly pool: string;
  /** How the best of the pool's workers is found, for jobs that do not say; `null`: as the server is set. The same for all of a pool. */
  readonly poolPolicy: PlacementPolicy | null;
  readonly arch: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly taints: readonly Taint[];
  /** Of all its GPUs; `""` if it has none. */
  readonly gpuModel: string;
  readonly capacity: Capacity;
  readonly free: Capacity;
  /** Place among the hosts by when each was last given an attempt, the latest highest; 0: it has not been, as far as is known. */
  readonly turn: number;
  readonly track: TrackRecord;
  /** While a plan is made: what `free` was before. `null` otherwise. */
  readonly before: FreeBefore | null;
}

/** What an attempt that a worker holds, or is to receive, takes of it. */
export interface HeldShare {
  readonly workerId: WorkerId;
  readonly tenantId: TenantId;
  readonly requirements: Requirements;
  /** `null`: it was assigned, and its worker has not said that it runs. */
  readonly startedAt: Date | null;
}

/** An attempt that a worker holds, or is to receive. */
export interface HeldAttempt extends HeldShare {
  readonly jobId: JobId;
  readonly priority: number;
  /** As `isPreemptible` says of its job. */
  readonly isPreemptible: boolean;
  /** Its end was asked for. */
  readonly isEnding: boolean;
  /** … so that this job finds room; `null`: for another reason, or it was not. */
  readonly endingFor: JobId | null;
}

/** What was free on a host before a plan gave or promised some of it to jobs. */
export interface FreeBefore {
  /** … to any job. */
  readonly placements: Capacity;
  /** … to jobs that it keeps the host for; those that it placed there are taken off. */
  readonly reservations: Capacity;
}

/** What one job asks of its worker, and whose job it is. */
export interface Need {
  readonly tenantId: TenantId;
  readonly requirements: Requirements;
  readonly placement: PlacementTerms;
}

/** What a stored job asks. */
export function needOf({ tenantId, policy: { requirements, placement } }: Job): Need {
  return { tenantId, requirements, placement };
}

/** `host` after it was given a job with `requirements`. */
export function hold(host: Host, requirements: Requirements): Host {
  const { before } = host;
  const free = subtract(host.free, requirements);
  if (before === null) return { ...host, free };
  const reservations = subtract(before.reservations, requirements);
  return { ...host, free, before: { ...before, reservations } };
}

/** `host` as it was before it was given a job with `requirements`. */
export function release(host: Host, requirements: Requirements): Host {
  return { ...host, free: add(host.free, requirements) };
}

/** `free` when one attempt with `given` has ended as well. */
export function add(free: Capacity, given: Requirements): Capacity {
  return {
    cpuMillis: free.cpuMillis + given.cpuMillis,
    memoryBytes: free.memoryBytes + given.memoryBytes,
    diskBytes: free.diskBytes + given.diskBytes,
    gpuCount: free.gpuCount + given.gpuCount,
    attemptCount: free.attemptCount + 1,
  };
}

/** What is left of `free` beside a job that is still to come. */
export function keepBack(free: Capacity, requirements: Requirements): Capacity {
  return {
    cpuMillis: lower(free.cpuMillis, requirements.cpuMillis),
    memoryBytes: lower(free.memoryBytes, requirements.memoryBytes),
    diskBytes: lower(free.diskBytes, requirements.diskBytes),
    gpuCount: lower(free.gpuCount, requirements.gpuCount),
    attemptCount: lower(free.attemptCount, 1),
  };
}

/** Where less is free than is kept nothing is left; where more is taken than there is, that stays so. */
const lower = (free: number, kept: number): number => Math.max(Math.min(0, free), free - kept);

/** What is left of `free` when one attempt with `taken` is set aside. */
export function subtract(free: Capacity, taken: Requirements): Capacity {
  return {
    cpuMillis: free.cpuMillis - taken.cpuMillis,
    memoryBytes: free.memoryBytes - taken.memoryBytes,
    diskBytes: free.diskBytes - taken.diskBytes,
    gpuCount: free.gpuCount - taken.gpuCount,
    attemptCount: free.attemptCount - 1,
  };
}

/** Whether one attempt with `requirements` finds room in `free`. */
export function hasRoom(free: Capacity, requirements: Requirements): boolean {
  return (
    free.attemptCount >= 1 &&
    requirements.cpuMillis <= free.cpuMillis &&
    requirements.memoryBytes <= free.memoryBytes &&
    requirements.diskBytes <= free.diskBytes &&
    requirements.gpuCount <= free.gpuCount
  );
}

import type { TenantId, WorkerId } from "../ids.ts";
import type { Requirements } from "../job-spec.ts";
import type { Capacity } from "../worker.ts";

/** What a connected worker is to the scheduler; only a `ready` one is given attempts. */
export type HostState = "ready" | "draining" | "disconnected" | "lost";

/** A worker as the scheduler sees it, with what its attempts leave free. */
export interface Host {
  readonly workerId: WorkerId;
  readonly state: HostState;
  /** The only tenant whose jobs it takes; `null`: it takes those of every tenant. */
  readonly tenantId: TenantId | null;
  readonly arch: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly capacity: Capacity;
  readonly free: Capacity;
  /** Attempts that it has, or is to receive. */
  readonly heldCount: number;
}

/** What one job asks of its worker, and whose job it is. */
export interface Need {
  readonly tenantId: TenantId;
  readonly requirements: Requirements;
}

/** `host` after it was given a job with `requirements`. */
export function hold(host: Host, requirements: Requirements): Host {
  return {
    ...host,
    free: subtract(host.free, requirements),
    heldCount: host.heldCount + 1,
  };
}

/** What is left of `free` when `taken` is set aside. */
export function subtract(free: Capacity, taken: Requirements): Capacity {
  return {
    cpuMillis: free.cpuMillis - taken.cpuMillis,
    memoryBytes: free.memoryBytes - taken.memoryBytes,
    diskBytes: free.diskBytes - taken.diskBytes,
  };
}

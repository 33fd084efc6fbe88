import type { WorkerId } from "./ids.ts";
import type { WorkerTemplate } from "./pool.ts";

/** What a new machine needs to become a worker. */
export interface ProvisionRequest {
  readonly workerId: WorkerId;
  readonly pool: string;
  /** `https://host:port` of a worker listener. */
  readonly serverUrl: string;
  /** One-use; must reach the machine without being readable by others. */
  readonly joinToken: string;
  /** What the worker is to say that it is. */
  readonly template: WorkerTemplate;
}

/** A machine as its provider sees it. */
export interface Machine {
  readonly workerId: WorkerId;
  /** Whether it still exists and may connect, or be connected. */
  readonly alive: boolean;
}

/** Creates and destroys machines that run workers. Every call may be repeated. */
export interface Provider {
  readonly name: string;
  /**
   * Starts a machine for the worker; resolves once the provider has accepted it, not when it is connected. A repeat for
   * the same worker makes no second machine.
   * @throws PlatformError `unavailable`, `resource_exhausted` or `failed_precondition`
   */
  provision(request: ProvisionRequest): Promise<void>;
  /** Ends the machine and all it runs; resolves when it is gone. Unknown or gone already: resolves. */
  destroy(workerId: WorkerId): Promise<void>;
  /** Every machine this provider knows of, dead ones until they are destroyed. */
  list(): Promise<readonly Machine[]>;
}

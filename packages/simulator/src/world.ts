import type { Database, LogStore, Provider, WorkerId, WorkerMessage } from "@hodei/domain";
import type { Conditions } from "./conditions.ts";
import type { History } from "./history.ts";
import type { RandomStream } from "./random.ts";
import type { Scenario } from "./scenario.ts";
import type { Trace } from "./trace.ts";
import type { VirtualClock } from "./virtual-clock.ts";

/** What every part of one simulation shares. */
export interface World {
  readonly scenario: Scenario;
  readonly clock: VirtualClock;
  readonly conditions: Conditions;
  readonly history: History;
  readonly trace: Trace;
  /** Parts draw from streams split off this one. */
  readonly random: RandomStream;
  readonly wiring: Wiring;
  /** Lets `work` go on beside the rest; that it failed is kept in the history. */
  readonly follow: (what: string, work: Promise<void>) => void;
}

/** What replicas work on; mutants break it from outside. */
export interface Wiring {
  readonly database: Database;
  readonly logs: LogStore;
  readonly provider: Provider;
  /** Sees a message as it reaches a server; what it returns is handled instead. */
  readonly receive: (workerId: WorkerId, message: WorkerMessage) => Promise<WorkerMessage>;
}

import type { Cause } from "./cause.ts";
import { PlatformError } from "./errors.ts";
import type { ReplicaId, TenantId, WorkerId } from "./ids.ts";

/** Stored states. `busy` is not one of them: it is `ready` with attempts, see `workerStatus`. */
export type WorkerState =
  | "provisioning"
  | "connecting"
  | "ready"
  | "draining"
  | "terminated"
  | "lost";

/** Attempts that one worker may hold at once; it refuses more, so that their jobs run elsewhere. */
export const MAX_ATTEMPT_COUNT = 1_000;

/** What a worker can hold. */
export interface Capacity {
  readonly cpuMillis: number;
  readonly memoryBytes: number;
  /** Free space where attempts live, beyond what the worker keeps in reserve. At 0 it takes no attempt. */
  readonly diskBytes: number;
  readonly gpuCount: number;
  /** Attempts at once. */
  readonly attemptCount: number;
}

/** Keeps jobs away that do not tolerate it. */
export interface Taint {
  readonly key: string;
  /** May be empty. */
  readonly value: string;
}

/** One mounted file system. */
export interface DiskUsage {
  readonly mount: string;
  readonly totalBytes: number;
  readonly freeBytes: number;
}

/** What a worker last measured of its machine. */
export interface WorkerMetrics {
  /** Share of all cores in use, 0 to 1. */
  readonly cpuUtilization: number;
  /** Averages over 1, 5 and 15 minutes. */
  readonly load: readonly number[];
  readonly memoryAvailableBytes: number;
  readonly disks: readonly DiskUsage[];
  /** Both since the machine started. */
  readonly networkReceivedBytes: number;
  readonly networkSentBytes: number;
  /** Log bytes that the worker process has left out because its spool was full. */
  readonly droppedLogBytes: number;
  /** 99th percentile of how late its event loop was between its last two heartbeats. */
  readonly eventLoopDelayMs: number;
}

/** What a worker says of itself when it opens a session. */
export interface WorkerFacts {
  readonly version: string;
  readonly hostname: string;
  readonly arch: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly taints: readonly Taint[];
  /** Of all its GPUs; `""` if it has none. */
  readonly gpuModel: string;
  readonly capacity: Capacity;
}

/** A fact about one worker. */
export type WorkerEvent = WorkerFact & {
  /** Default: the worker's change before this one. */
  readonly causedBy?: Cause;
};

/** `at` is the server's time. */
type WorkerFact =
  | { readonly type: "created"; readonly at: Date; readonly causedBy: Cause }
  | { readonly type: "registered"; readonly at: Date }
  | {
      readonly type: "connected";
      readonly at: Date;
      readonly replicaId: ReplicaId;
      readonly facts: WorkerFacts;
    }
  | {
      readonly type: "disconnected";
      readonly at: Date;
      readonly connectBy: Date;
      readonly message: string;
    }
  | { readonly type: "capacity_changed"; readonly at: Date; readonly capacity: Capacity }
  | { readonly type: "drain_requested"; readonly at: Date; readonly by: string }
  | { readonly type: "lost"; readonly at: Date; readonly message: string }
  | { readonly type: "terminated"; readonly at: Date; readonly message: string };

export interface Worker {
  readonly id: WorkerId;
  readonly tenantId: TenantId;
  readonly pool: string;
  /** Name of the provider that made it; `joined` if it came by itself. */
  readonly provider: string;
  readonly state: WorkerState;
  readonly version: number;
  /** `null` before the first session. */
  readonly facts: WorkerFacts | null;
  /** Replica that holds, or last held, its session. */
  readonly replicaId: ReplicaId | null;
  readonly createdAt: Date;
  readonly connectedAt: Date | null;
  /** Set while no session is open: without one by then the worker is lost, or was never there. */
  readonly connectBy: Date | null;
  readonly drainRequestedAt: Date | null;
  readonly terminatedAt: Date | null;
}

type Transitions = Readonly<Partial<Record<WorkerEvent["type"], WorkerState>>>;

/** Worker lifecycle: state → event → next state. No entry: illegal. Empty row: terminal. */
// biome-ignore format: a table reads better in columns
export const WORKER_TRANSITIONS: Readonly<Record<WorkerState, Transitions>> = {
  provisioning: { registered: "connecting", terminated: "terminated" },
  connecting:   { connected: "ready", lost: "lost", terminated: "terminated" },
  ready:        { connected: "ready", disconnected: "ready", capacity_changed: "ready", drain_requested: "draining", lost: "lost", terminated: "terminated" },
  draining:     { connected: "draining", disconnected: "draining", capacity_changed: "draining", drain_requested: "draining", lost: "lost",
                  terminated: "terminated" },
  lost:         { connected: "ready", drain_requested: "lost", terminated: "terminated" },
  terminated:   {},
};

/** A worker that nobody has connected yet. */
export function createWorker(
  facts: Pick<Worker, "id" | "tenantId" | "pool" | "provider" | "connectBy">,
  now: Date,
): Worker {
  return {
    ...facts,
    state: "provisioning",
    version: 1,
    facts: null,
    replicaId: null,
    createdAt: now,
    connectedAt: null,
    drainRequestedAt: null,
    terminatedAt: null,
  };
}

/** The worker after `event`. @throws PlatformError `failed_precondition` if the table has no entry. */
export function applyWorkerEvent(worker: Worker, event: WorkerEvent): Worker {
  const state = WORKER_TRANSITIONS[worker.state][event.type];
  if (state === undefined) throw illegalTransition(worker, event);
  switch (event.type) {
    case "created":
      throw illegalTransition(worker, event);
    case "registered":
      return { ...worker, state };
    case "connected":
      return {
        ...worker,
        state,
        facts: event.facts,
        replicaId: event.replicaId,
        connectedAt: event.at,
        connectBy: null,
      };
    case "disconnected":
      return { ...worker, state, connectBy: event.connectBy };
    case "capacity_changed": {
      const { facts } = worker;
      return { ...worker, state, facts: facts && { ...facts, capacity: event.capacity } };
    }
    case "lost":
      return { ...worker, state };
    case "drain_requested":
      return { ...worker, state, drainRequestedAt: worker.drainRequestedAt ?? event.at };
    case "terminated":
      return { ...worker, state, terminatedAt: event.at };
  }
}

function illegalTransition(worker: Worker, event: WorkerEvent): PlatformError {
  return new PlatformError(
    "failed_precondition",
    "illegal_transition",
    `worker ${worker.id} is ${worker.state}; "${event.type}" does not apply to it`,
  );
}

/** State for people: `ready` with attempts shows as `busy`. */
export type WorkerStatus = WorkerState | "busy";

export function workerStatus(worker: Worker, runningAttempts: number): WorkerStatus {
  return worker.state === "ready" && runningAttempts > 0 ? "busy" : worker.state;
}

/** `labels` with those that every worker has without saying so. */
export function withPoolLabels(
  { pool, provider }: Pick<Worker, "pool" | "provider">,
  labels: WorkerFacts["labels"],
): WorkerFacts["labels"] {
  return { ...labels, "hodei/pool": pool, "hodei/provider": provider };
}

/** Part of the free disk by which it changes until plans are to know: it never stands still. */
const DISK_CHANGE = 0.25;

/** Whether plans made with the capacity `known` go wrong where it is `now`. */
export function isOtherCapacity(known: Capacity, now: Capacity): boolean {
  const { diskBytes: was, ...others } = known;
  const { diskBytes: is, ...othersNow } = now;
  const isOtherSize = Object.entries(others).some(
    ([name, value]) => othersNow[name as keyof typeof othersNow] !== value,
  );
  return isOtherSize || (was === 0) !== (is === 0) || Math.abs(is - was) > was * DISK_CHANGE;
}

/** Whether new attempts may be placed on it: connected, and not about to leave. */
export function takesAttempts(worker: Worker): boolean {
  return worker.state === "ready" && worker.connectBy === null && worker.drainRequestedAt === null;
}

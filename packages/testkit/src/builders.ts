import {
  type Attempt,
  createJob,
  createJobSpec,
  createWorker,
  DEFAULT_TENANT_ID,
  type Job,
  type JobId,
  type JobSpec,
  type LeaseToken,
  MAX_ATTEMPT_COUNT,
  type NewJob,
  type Pool,
  type ReplicaId,
  type Worker,
  type WorkerFacts,
  type WorkerId,
} from "@hodei/domain";

/** When everything that the builders make begins. */
export const START = new Date("2026-01-01T00:00:00.000Z");

/** `START` and `ms` more. */
export const after = (ms: number): Date => new Date(START.getTime() + ms);

const JOB_ID = "00000000-0000-7000-8000-00000000000a" as JobId;
const WORKER_ID = "00000000-0000-7000-8000-00000000000b" as WorkerId;
const LEASE_TOKEN = "00000000-0000-4000-8000-00000000000c" as LeaseToken;
const REPLICA_ID = "00000000-0000-7000-8000-00000000000d" as ReplicaId;

/** The spec of `true` with every default, but for `parts`. */
export function aJobSpec(parts: Partial<JobSpec> = {}): JobSpec {
  return createJobSpec({ kind: "command", argv: ["true"] }, parts);
}

/** A pending job, but for `parts`. Always the same id unless one is given. */
export function aJob(parts: Partial<Job> = {}): Job {
  const facts = {
    id: JOB_ID,
    tenantId: DEFAULT_TENANT_ID,
    correlationId: "correlation-1",
    now: START,
  };
  return { ...createJob(aJobSpec(), facts), ...parts };
}

/** What `Database.insertJobs` takes: a job made from `spec` that was never stored. */
export function aNewJob(
  facts: Partial<Pick<Job, "id" | "tenantId" | "correlationId">> & { readonly now?: Date } = {},
  {
    spec = aJobSpec(),
    idempotencyKey = null,
  }: { readonly spec?: JobSpec; readonly idempotencyKey?: string | null } = {},
): NewJob {
  const defaults = {
    id: JOB_ID,
    tenantId: DEFAULT_TENANT_ID,
    correlationId: "correlation-1",
    now: START,
  };
  return {
    job: createJob(spec, { ...defaults, ...facts }),
    spec,
    idempotencyKey,
    causedBy: "request/1",
  };
}

/** A Linux machine with four cores, but for `parts`. */
export function someWorkerFacts(parts: Partial<WorkerFacts> = {}): WorkerFacts {
  return {
    version: "0.1.0",
    hostname: "worker-1.test",
    arch: "x64",
    labels: { os: "linux" },
    taints: [],
    gpuModel: "",
    capacity: {
      cpuMillis: 4_000,
      memoryBytes: 8 * 1024 ** 3,
      diskBytes: 100 * 1024 ** 3,
      gpuCount: 0,
      attemptCount: MAX_ATTEMPT_COUNT,
    },
    ...parts,
  };
}

/** A worker that is ready and connected, but for `parts`. Always the same id unless one is given. */
export function aWorker(parts: Partial<Worker> = {}): Worker {
  const facts = {
    id: WORKER_ID,
    tenantId: DEFAULT_TENANT_ID,
    pool: "local",
    provider: "process",
    connectBy: null,
  };
  return {
    ...createWorker(facts, START),
    state: "ready",
    facts: someWorkerFacts(),
    replicaId: REPLICA_ID,
    connectedAt: START,
    ...parts,
  };
}

/** A pool of up to two workers such as `aWorker()`, made when jobs need them, but for `parts`. */
export function aPool(parts: Partial<Pool> = {}): Pool {
  const { arch, labels, capacity } = someWorkerFacts();
  return {
    name: "local",
    provider: "fake",
    minWorkers: 0,
    maxWorkers: 2,
    warmWorkers: 0,
    idleTimeoutMs: null,
    lifetimeMs: null,
    oneJob: false,
    maxStartsPerMinute: 100,
    template: { arch, labels, capacity },
    ...parts,
  };
}

/** The first attempt of `aJob()`, assigned to `aWorker()`, but for `parts`. */
export function anAttempt(parts: Partial<Attempt> = {}): Attempt {
  return {
    jobId: JOB_ID,
    number: 1,
    tenantId: DEFAULT_TENANT_ID,
    workerId: WORKER_ID,
    leaseToken: LEASE_TOKEN,
    state: "assigned",
    assignedAt: START,
    startedAt: null,
    finishedAt: null,
    outcome: null,
    logBytes: 0,
    processesLeft: 0,
    usage: null,
    ...parts,
  };
}

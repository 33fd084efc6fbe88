import {
  type AttemptRef,
  DEFAULT_TENANT_ID,
  type Hello,
  type Job,
  type JobId,
  type JobSpec,
  type LeaseToken,
  type LogBatch,
  type Outcome,
  type Pool,
  type Provider,
  type ReplicaId,
  type ServerMessage,
  type WorkerFacts,
  type WorkerId,
} from "@hodei/domain";
import {
  aJobSpec,
  aPool,
  ManualClock,
  MemoryDatabase,
  MemoryLogStore,
  MemorySecretStore,
  SequenceIds,
  someWorkerFacts,
} from "@hodei/testkit";
import { Activity } from "./activity.ts";
import { ClusterSnapshot } from "./cluster-snapshot.ts";
import { createJob } from "./create-job.ts";
import type { Deps } from "./deps.ts";
import { dispatchAssignments } from "./dispatch-assignments.ts";
import { DueJobs } from "./due-jobs.ts";
import { LiveWorkers } from "./live-workers.ts";
import { openSession } from "./open-session.ts";
import type { Caller } from "./principal.ts";
import { registerWorker } from "./register-worker.ts";
import { scheduleJobs } from "./schedule-jobs.ts";
import type { Session } from "./session.ts";
import { Sessions } from "./sessions.ts";
import { DEFAULT_SETTINGS } from "./settings.ts";
import { Signals } from "./signals.ts";
import { Statistics } from "./statistics.ts";
import { Uptime } from "./uptime.ts";
import { WorkerHistory } from "./worker-history.ts";
import { createJoinToken } from "./workers.ts";

export const ALICE: Caller = {
  name: "alice",
  tenantId: DEFAULT_TENANT_ID,
  requestId: "r1",
  correlationId: "c1",
};
export const COMPLETED: Outcome = { reason: "completed", exitCode: 0, signal: null, message: "" };
export const FAILED: Outcome = { reason: "non_zero_exit", exitCode: 7, signal: null, message: "" };

/** One replica in memory, with time standing still; every turn of a loop is a call of the test. */
export function testDeps(parts: Partial<Deps> = {}) {
  const clock = new ManualClock();
  const signals = new Signals(clock);
  const database = new MemoryDatabase({ onCommit: signals.onCommit });
  const ids = new SequenceIds(1);
  const tokens = new SequenceIds(2);
  const warnings: string[] = [];
  const sessions = new Sessions();
  const hash = (token: string) => `hash of ${token}`;
  const deps = {
    database,
    logs: new MemoryLogStore({ database }),
    secrets: new MemorySecretStore({ onCommit: signals.onCommit }),
    ids,
    random: () => 0.5,
    newLeaseToken: () => tokens.next() as LeaseToken,
    joinTokens: {
      create: () => {
        const token = `token-${tokens.next()}`;
        return { token, hash: hash(token) };
      },
      hash,
    },
    certificateAuthority: {
      issueWorkerCertificate: async (_request, workerId) => ({
        chainPem: `certificate of ${workerId}`,
        expiresAt: new Date(clock.now().getTime() + 1),
      }),
    },
    signals,
    sessions,
    replicaId: ids.next() as ReplicaId,
    uptime: new Uptime(new Date(0)),
    pools: [],
    subscriptions: [],
    keptRecords: [],
    activity: new Activity(),
    workerHistory: new WorkerHistory(),
    statistics: new Statistics(),
    settings: DEFAULT_SETTINGS,
    log: {
      info: () => {},
      warn: (event) => void warnings.push(event),
      error: (event) => void warnings.push(event),
    },
    ...parts,
  } satisfies Omit<Deps, "clock" | "cluster" | "dueJobs" | "liveWorkers">;
  const { readers } = deps.database;
  const dueJobs = new DueJobs({ ...deps, jobs: readers.jobs });
  const liveWorkers = new LiveWorkers({ ...deps, readers });
  const cluster = new ClusterSnapshot({ ...deps, liveWorkers, readers });
  return { ...deps, dueJobs, liveWorkers, cluster, clock, warnings };
}

export type TestDeps = ReturnType<typeof testDeps>;

export function aPoolMember(provider: Provider, parts: Partial<Pool> = {}) {
  return { pool: aPool(parts), provider, serverUrl: () => "https://127.0.0.1:7401" };
}

/** A worker that registered with a token of its own and has not opened a session yet. */
export async function registeredWorker(deps: TestDeps): Promise<WorkerId> {
  const { token } = await createJoinToken(deps, ALICE, { pool: "joined", ttlMs: 60_000 });
  const request = { joinToken: token, certificateRequest: new Uint8Array([1]) };
  return (await registerWorker(deps, request)).workerId;
}

export const hello = (attempts: readonly AttemptRef[] = []): Hello => ({
  facts: someWorkerFacts(),
  attempts,
});

/** What a worker sees of its session: everything it was sent so far. */
export class Peer {
  readonly session: Session;
  readonly received: ServerMessage[] = [];
  readonly ended: Promise<void>;

  constructor(session: Session) {
    this.session = session;
    this.ended = this.#read();
  }

  of<Type extends ServerMessage["type"]>(type: Type): Extract<ServerMessage, { type: Type }>[] {
    return this.received.filter(
      (message): message is Extract<ServerMessage, { type: Type }> => message.type === type,
    );
  }

  async #read(): Promise<void> {
    for await (const message of this.session.outgoing) this.received.push(message);
  }
}

export async function connect(
  deps: TestDeps,
  workerId: WorkerId,
  attempts: readonly AttemptRef[] = [],
): Promise<Peer> {
  return new Peer(await openSession(deps, workerId, hello(attempts)));
}

/** A worker with an open session. */
export async function connectedWorker(
  deps: TestDeps,
  facts: Partial<WorkerFacts> = {},
): Promise<{ workerId: WorkerId; peer: Peer }> {
  const workerId = await registeredWorker(deps);
  const greeting: Hello = { facts: someWorkerFacts(facts), attempts: [] };
  return { workerId, peer: new Peer(await openSession(deps, workerId, greeting)) };
}

export async function submit(deps: TestDeps, parts: Partial<JobSpec> = {}): Promise<Job> {
  return createJob(deps, ALICE, { spec: aJobSpec(parts), idempotencyKey: null });
}

export const find = (deps: TestDeps, { id }: { readonly id: JobId }): Promise<Job> =>
  deps.database.readers.jobs.get(id);

/** Schedules and dispatches, then returns the reference that was sent for `job`. */
export async function assign(deps: TestDeps, peer: Peer, job: Job): Promise<AttemptRef> {
  await scheduleJobs(deps);
  await dispatchAssignments(deps);
  await settled();
  const sent = peer.of("assignment").findLast(({ ref }) => ref.jobId === job.id);
  if (sent === undefined) throw new Error(`job ${job.id} was not sent to the worker`);
  return sent.ref;
}

/** A job that runs on `peer`. */
export async function running(
  deps: TestDeps,
  peer: Peer,
  parts: Partial<JobSpec> = {},
): Promise<{ job: Job; ref: AttemptRef }> {
  const job = await submit(deps, parts);
  const ref = await assign(deps, peer, job);
  await peer.session.receive({ type: "attempt_started", ref });
  await settled();
  return { job, ref };
}

export function finish(ref: AttemptRef, outcome: Outcome, logBytes = 0) {
  return {
    type: "attempt_finished",
    report: { ref, outcome, logBytes, processesLeft: 0, usage: null },
  } as const;
}

export function logBatch(ref: AttemptRef, offset: number, text: string): LogBatch {
  const data = new TextEncoder().encode(text);
  const run = { stream: "stdout", lengthBytes: data.length, at: new Date(0), gap: null } as const;
  return { ref, offset, data, compression: "none", segments: [run] };
}

/** Lets everything that waits for nothing but the memory database come to an end. */
export async function settled(): Promise<void> {
  for (let turn = 0; turn < 20; turn += 1) await new Promise((resolve) => setImmediate(resolve));
}

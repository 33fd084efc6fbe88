import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import {
  applyJobEvent,
  type Concurrency,
  isPlatformError,
  type JobEvent,
  type LeaseToken,
  outcomeOf,
  type Provider,
  type ReplicaId,
} from "@hodei/domain";
import {
  aJobSpec,
  createTestDatabase,
  FakeProvider,
  ManualClock,
  MemoryLogStore,
  SequenceIds,
  type TestDatabase,
} from "@hodei/testkit";
import fc from "fast-check";
import pg from "pg";
import { PostgresDatabase } from "../infrastructure/postgres/postgres-database.ts";
import type { Deps } from "./deps.ts";
import { DueJobs } from "./due-jobs.ts";
import { FencedDatabase, LEADERSHIP_NAME } from "./fenced-database.ts";
import { aPoolMember, connectedWorker, submit, type TestDeps, testDeps } from "./fixtures.test.ts";
import { Provisioner } from "./provision-workers.ts";
import { scheduleJobs } from "./schedule-jobs.ts";
import { DEFAULT_SETTINGS } from "./settings.ts";
import { Signals } from "./signals.ts";

/** The run ends after so long, or after so many steps. */
const BUDGET_MS = 35_000;
const STEPS_MAX = 2_000;

const KEYS: readonly Concurrency[] = [
  { key: "a", limit: 1, onConflict: "queue" },
  { key: "b", limit: 2, onConflict: "queue" },
  { key: "c", limit: 2, onConflict: "drop_newest" },
  { key: "d", limit: 1, onConflict: "cancel_in_progress" },
];
const RATE = { key: "api", count: 3, perMs: 1_000 };
const TENANT_JOBS_MAX = 6;
const QUEUE_MAX = 12;
const POOL_MAX = 2;
const POOL = { minWorkers: POOL_MAX, maxWorkers: POOL_MAX, maxStartsPerMinute: 100_000 };

let ownDatabase: TestDatabase;
/** One looks, one finds what is to be finished. */
let observer: pg.Client;
let finder: pg.Client;

before(async () => {
  ownDatabase = await createTestDatabase();
  [observer, finder] = [1, 2].map(() => new pg.Client({ connectionString: ownDatabase.url })) as [
    pg.Client,
    pg.Client,
  ];
  await Promise.all([observer.connect(), finder.connect()]);
});

after(async () => {
  await Promise.all([observer.end(), finder.end()]);
  await ownDatabase.drop();
});

/** What replicas do at random, some more often than others. */
const ACTIONS = [
  "submit",
  "submit",
  "submit",
  "schedule",
  "schedule",
  "finish",
  "finish",
  "finish",
  "tick",
  "provision",
  "provision",
  "lead",
] as const;

type Action = (typeof ACTIONS)[number];

/** One replica. Its clock is its own, and it takes itself for the leader whenever it is asked to do a turn. */
class Instance {
  readonly deps: TestDeps & Deps;
  readonly database: PostgresDatabase;
  readonly #led: FencedDatabase;
  readonly #provisioner: Provisioner;
  #epoch: number | undefined;
  #turn: Promise<void> = Promise.resolve();

  constructor(url: string, series: number, provider: Provider) {
    const ids = new SequenceIds(series);
    const tokens = new SequenceIds(series + 100);
    this.database = new PostgresDatabase({
      address: url,
      onCommit: () => undefined,
      connectionsMax: 6,
      queueLimits: { tenantCount: QUEUE_MAX, totalCount: null },
    });
    const settings = { ...DEFAULT_SETTINGS, tenantJobsMax: TENANT_JOBS_MAX };
    const signals = new Signals(new ManualClock());
    const { jobs } = this.database.readers;
    this.deps = testDeps({
      database: this.database,
      logs: new MemoryLogStore({ database: this.database }),
      ids,
      newLeaseToken: () => tokens.next() as LeaseToken,
      joinTokens: {
        create: () => {
          const token = `token-${tokens.next()}`;
          return { token, hash: token };
        },
        hash: (token: string) => token,
      },
      replicaId: ids.next() as ReplicaId,
      settings,
      signals,
      dueJobs: new DueJobs({ signals, jobs, settings }),
      pools: [aPoolMember(provider, POOL)],
    } as Partial<Deps>) as TestDeps & Deps;
    this.#led = new FencedDatabase(this.database, { epoch: () => this.#epoch });
    this.#provisioner = new Provisioner({ ...this.deps, database: this.#led });
  }

  act(action: Action, draw: number): Promise<unknown> {
    switch (action) {
      case "schedule":
        this.deps.dueJobs.forget();
        return scheduleJobs(this.deps); // without any fence: limits hold by themselves
      case "tick":
        return this.deps.clock.advance(draw);
      default:
        return this[action](draw);
    }
  }

  async lead(): Promise<void> {
    this.#epoch = await this.database.transact(({ leadership }) =>
      leadership.begin(LEADERSHIP_NAME),
    );
  }

  /** One turn after the other, as a loop does them: a leadership that changes meanwhile is the next turn's. */
  provision(): Promise<void> {
    this.#turn = this.#turn.then(() => this.#provision());
    return this.#turn;
  }

  async #provision(): Promise<void> {
    if (!this.#led.beginTurn()) return;
    this.deps.dueJobs.forget();
    await this.#provisioner.run().catch((error: unknown) => {
      if (!isPlatformError(error, "conflict")) throw error;
    });
  }

  async submit(draw: number): Promise<void> {
    const concurrency = KEYS[draw % (KEYS.length + 1)] ?? null;
    const rateLimit = draw % 3 === 0 ? RATE : null;
    await submit(this.deps, {
      concurrency,
      rateLimit,
      requirements: { ...aJobSpec().requirements, cpuMillis: 1 },
    }).catch((error: unknown) => {
      if (!isPlatformError(error, "resource_exhausted")) throw error;
    });
  }

  /** Ends one of the jobs that are held, or gives it back to wait. */
  async finish(draw: number): Promise<void> {
    const { rows } = await finder.query<{ id: string }>(
      "select id from job where state = 'assigned' order by id",
    );
    const id = rows[draw % Math.max(1, rows.length)]?.id;
    if (id === undefined) return;
    await this.database.transact(async ({ jobs }) => {
      const job = await jobs.lock(id as never);
      if (job.state !== "assigned") return;
      const at = this.deps.clock.now();
      const outcome = outcomeOf("cancelled_by", "");
      const event: JobEvent =
        draw % 4 === 0
          ? { type: "lease_expired", at, message: "" }
          : { type: "cancelled", at, outcome };
      await jobs.update(applyJobEvent(job, event), [event]);
    });
  }
}

/** What one snapshot of the database shows beyond its limits. */
async function findExcess(): Promise<string[]> {
  const { rows } = await observer.query<{ what: string; count: number }>(`
    select 'key ' || concurrency_key as what, count(*)::integer as count from job
    where state in ('assigned', 'running') and concurrency_key is not null group by 1
    union all select 'tenant', count(*)::integer from job where state in ('assigned', 'running')
    union all select 'unfinished c', count(*)::integer from job
      where state in ('pending', 'assigned') and concurrency_key = 'c'
    union all select 'queue', count(*)::integer from job
      where state in ('pending', 'assigned') and started_attempts = 0
    union all select 'rate', coalesce(max(within.count), 0)::integer from rate_start s, lateral (
      select count(*) from rate_start o
      where o.at >= s.at and o.at < s.at + interval '1 second') as within`);
  const limits: Record<string, number> = {
    tenant: TENANT_JOBS_MAX,
    queue: QUEUE_MAX,
    rate: RATE.count,
    "unfinished c": 2,
    ...Object.fromEntries(KEYS.map(({ key, limit }) => [`key ${key}`, limit])),
  };
  return rows
    .filter(({ what, count }) => count > (limits[what] ?? 0))
    .map(({ what, count }) => `${what}: ${count}`);
}

test("two replicas that race never exceed a limit", { timeout: 120_000 }, async (context) => {
  const machines = new Map();
  let peak = 0;
  let made = 0;
  const provider = new FakeProvider({
    machines,
    onProvision: () => {
      peak = Math.max(peak, machines.size);
      made += 1;
    },
  });
  const instances = [1, 2].map((series) => new Instance(ownDatabase.url, series * 10, provider));
  for (const { database } of instances) {
    await database.start();
    context.after(() => database.stop());
  }
  for (const { deps } of instances) await connectedWorker(deps);
  const excess: string[] = [];
  let looks = 0;
  let watching = true;
  const watch = async () => {
    while (watching) {
      excess.push(...(await findExcess()));
      looks += 1;
    }
  };
  const watcher = watch();
  const seed = 20_261_124;
  const steps = fc.sample(
    fc.array(
      fc.tuple(fc.nat({ max: ACTIONS.length - 1 }), fc.nat({ max: 1 }), fc.nat({ max: 99 })),
      {
        minLength: 2,
        maxLength: 6,
      },
    ),
    { numRuns: STEPS_MAX, seed },
  );
  // Even a busy machine comes to drop one: the third of a key with two places.
  for (let count = 0; count < 3; count += 1) await instances[0]?.submit(2);
  const startedAt = performance.now();
  const counts = { raced: 0, steps: 0 };
  for (const step of steps) {
    if (performance.now() - startedAt > BUDGET_MS) break;
    counts.steps += 1;
    counts.raced += step.length;
    await Promise.all(
      step.map(async ([what, which, draw]) =>
        instances[which]?.act(ACTIONS[what] ?? "submit", draw),
      ),
    );
    await comeUp([...machines.keys()]);
    if (draws(step) % 7 === 0) provider.kill([...machines.keys()][0]);
  }
  watching = false;
  await watcher;
  context.diagnostic(
    `seed ${seed}: ${counts.steps} steps of ${counts.raced} racing calls, looked at ${looks} times; at most ${peak} of ${made} machines`,
  );
  assert.deepEqual(excess, []);
  assert.ok(peak <= POOL_MAX, `${peak} machines`);
  assert.equal(peak, POOL_MAX, "the pool was full at least once");
  assert.ok(made > counts.steps / 20, "machines were made again and again");
  const { rows } = await observer.query<{ assigned: number; dropped: number }>(`
    select (select count(*)::integer from event where type = 'job.assigned') as assigned,
      (select count(*)::integer from job where outcome_reason = 'dropped') as dropped`);
  assert.ok((rows[0]?.assigned ?? 0) > counts.steps / 20, "jobs were placed");
  assert.ok((rows[0]?.dropped ?? 0) > 0, "and dropped");
});

/** Machines that came up are no reason for their pool to wait before it makes the next. */
async function comeUp(ids: readonly string[]): Promise<void> {
  await finder.query(
    `update worker set state = 'ready', connected_at = created_at, connect_by = null
     where state = 'provisioning' and id = any($1::uuid[])`,
    [ids],
  );
}

const draws = (step: readonly (readonly [number, number, number])[]): number =>
  step.reduce((sum, [, , draw]) => sum + draw, 0);

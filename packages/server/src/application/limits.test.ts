import assert from "node:assert/strict";
import { test } from "node:test";
import type { JobSpec, Stores, WorkerId } from "@hodei/domain";
import { aJobSpec, FakeProvider } from "@hodei/testkit";
import { createJobs } from "./create-job.ts";
import { explainJob } from "./explain-job.ts";
import {
  ALICE,
  aPoolMember,
  assign,
  COMPLETED,
  connectedWorker,
  FAILED,
  find,
  finish,
  running,
  settled,
  submit,
  type TestDeps,
  testDeps,
} from "./fixtures.test.ts";
import { Provisioner } from "./provision-workers.ts";
import { scheduleJobs } from "./schedule-jobs.ts";
import { DEFAULT_SETTINGS } from "./settings.ts";

const key = (
  onConflict: "queue" | "cancel_in_progress" | "drop_newest",
  limit = 1,
): Partial<JobSpec> => ({ concurrency: { key: "deploy", limit, onConflict } });

const reasonsOf = async (deps: TestDeps, job: Parameters<typeof find>[1]) =>
  (await explainJob(deps, ALICE, job.id)).reasons.map(({ code, message }) => [code, message]);

test("a job whose key is taken waits, is told by whom, and starts when the key is free", async () => {
  const deps = testDeps();
  const { peer } = await connectedWorker(deps);
  const { job: first, ref } = await running(deps, peer, key("queue"));
  const second = await submit(deps, key("queue"));
  const free = await submit(deps);
  await scheduleJobs(deps);
  assert.equal((await find(deps, second)).state, "pending");
  assert.equal((await find(deps, free)).state, "assigned", "others pass it by");
  assert.deepEqual(await reasonsOf(deps, second), [
    ["concurrency", `key \`deploy\` held by job ${first.id}`],
  ]);
  await peer.session.receive(finish(ref, COMPLETED));
  await settled();
  await scheduleJobs(deps);
  assert.equal((await find(deps, second)).state, "assigned");
});

test("a place under a key is free again when its attempt is to be repeated later", async () => {
  const deps = testDeps();
  const { peer } = await connectedWorker(deps);
  const retryPolicy = { maxAttempts: 2, baseDelayMs: 60_000, maxDelayMs: 60_000, reasons: [] };
  const { job: first, ref } = await running(deps, peer, { ...key("queue"), retryPolicy });
  const second = await submit(deps, key("queue"));
  const outcome = { ...COMPLETED, reason: "non_zero_exit", exitCode: 1 } as const;
  await peer.session.receive(finish(ref, outcome));
  await settled();
  assert.equal((await find(deps, first)).state, "pending");
  await scheduleJobs(deps);
  assert.equal((await find(deps, second)).state, "assigned");
});

test("a newer job cancels those in progress and waiting, then starts", async () => {
  const deps = testDeps();
  const { peer } = await connectedWorker(deps);
  const { job: first, ref } = await running(deps, peer, key("cancel_in_progress"));
  const second = await submit(deps, key("queue"));
  const third = await submit(deps, key("cancel_in_progress"));
  await scheduleJobs(deps);
  await scheduleJobs(deps);
  assert.match((await find(deps, first)).cancelRequest?.by ?? "", new RegExp(`job ${third.id}`));
  const superseded = await find(deps, second);
  assert.equal(superseded.state, "cancelled");
  assert.match(
    superseded.outcome?.message ?? "",
    /newer and has the same concurrency key `deploy`/,
  );
  assert.equal((await find(deps, third)).state, "pending", "the first has not ended yet");
  await peer.session.receive(finish(ref, { ...COMPLETED, reason: "cancelled_by" }));
  await settled();
  await scheduleJobs(deps);
  assert.equal((await find(deps, third)).state, "assigned");
});

test("a newer job cancels those in progress though its tenant has all that it may have", async () => {
  const deps = testDeps({ settings: { ...DEFAULT_SETTINGS, tenantJobsMax: 1 } });
  const { peer } = await connectedWorker(deps);
  const { job: first } = await running(deps, peer, key("cancel_in_progress"));
  const second = await submit(deps, key("cancel_in_progress"));
  await scheduleJobs(deps);
  assert.match((await find(deps, first)).cancelRequest?.by ?? "", new RegExp(`job ${second.id}`));
});

test("an older job that waited for another try does not run after a newer one that started", async () => {
  const deps = testDeps();
  const { peer } = await connectedWorker(deps);
  const retryPolicy = { maxAttempts: 2, baseDelayMs: 60_000, maxDelayMs: 60_000, reasons: [] };
  const { job: first, ref } = await running(deps, peer, {
    ...key("cancel_in_progress"),
    retryPolicy,
  });
  await peer.session.receive(finish(ref, FAILED));
  await settled();
  const { job: second } = await running(deps, peer, key("cancel_in_progress"));
  await scheduleJobs(deps);
  const superseded = await find(deps, first);
  assert.equal(superseded.state, "cancelled");
  assert.match(superseded.outcome?.message ?? "", new RegExp(`job ${second.id}`));
});

test("a job that is to be dropped ends as it is created, and says who has its key", async () => {
  const deps = testDeps();
  const [first, second, third] = [
    await submit(deps, key("drop_newest", 2)),
    await submit(deps, key("drop_newest", 2)),
    await submit(deps, key("drop_newest", 2)),
  ];
  assert.equal(second.state, "pending");
  assert.equal(third.state, "cancelled");
  assert.equal(third.outcome?.reason, "dropped");
  assert.match(
    third.outcome?.message ?? "",
    new RegExp(`key \`deploy\` is taken by job ${first.id}`),
  );
  const specs = [aJobSpec(), aJobSpec(key("drop_newest", 3)), aJobSpec(key("drop_newest", 3))];
  const inputs = specs.map((spec) => ({ spec, idempotencyKey: null }));
  const states = (await createJobs(deps, ALICE, inputs)).map((id) => find(deps, { id }));
  assert.deepEqual(
    (await Promise.all(states)).map(({ state }) => state),
    ["pending", "pending", "cancelled"],
  );
});

test("a repeat of a call is no newer job", async () => {
  const deps = testDeps();
  const input = { spec: aJobSpec(key("drop_newest")), idempotencyKey: "once" };
  const [first] = await createJobs(deps, ALICE, [input]);
  const [again, other] = await createJobs(deps, ALICE, [input, { ...input, idempotencyKey: "2" }]);
  assert.equal(again, first);
  assert.equal((await find(deps, { id: first as never })).state, "pending");
  assert.equal((await find(deps, { id: other as never })).outcome?.reason, "dropped");
});

test("a rate limit lets so many start, and says when the next may", async () => {
  const deps = testDeps();
  await connectedWorker(deps);
  const rateLimit = { key: "api", count: 2, perMs: 500 };
  const spec = { rateLimit, requirements: { ...aJobSpec().requirements, cpuMillis: 1 } };
  const jobs = [await submit(deps, spec), await submit(deps, spec), await submit(deps, spec)];
  const next = await scheduleJobs(deps);
  const states = async () =>
    (await Promise.all(jobs.map((job) => find(deps, job)))).map((j) => j.state);
  assert.deepEqual(await states(), ["assigned", "assigned", "pending"]);
  assert.equal(next?.getTime(), deps.clock.now().getTime() + 500);
  const [[code, message] = []] = await reasonsOf(deps, jobs[2] as never);
  assert.equal(code, "rate_limit");
  assert.match(
    message ?? "",
    /^rate limit `api` had 2 of 2 starts in 0.5 s; the next is possible at/,
  );
  await deps.clock.advance(499);
  await scheduleJobs(deps);
  assert.deepEqual(await states(), ["assigned", "assigned", "pending"]);
  await deps.clock.advance(1);
  await scheduleJobs(deps);
  assert.deepEqual(await states(), ["assigned", "assigned", "assigned"]);
});

test("a tenant at its limit waits", async () => {
  const deps = testDeps({ settings: { ...DEFAULT_SETTINGS, tenantJobsMax: 1 } });
  const { peer } = await connectedWorker(deps);
  await assign(deps, peer, await submit(deps));
  const second = await submit(deps);
  await scheduleJobs(deps);
  assert.deepEqual(await reasonsOf(deps, second), [["tenant_limit", "tenant at 1 of 1 jobs"]]);
});

test("jobs that a limit holds back are no reason to make workers", async () => {
  const provider = new FakeProvider();
  const deps = testDeps({ pools: [aPoolMember(provider, { maxWorkers: 5 })] });
  const requirements = { ...aJobSpec().requirements, cpuMillis: 4_000 };
  for (let count = 0; count < 4; count += 1)
    await submit(deps, { ...key("queue", 2), requirements });
  await new Provisioner(deps).run();
  assert.equal((await provider.list()).length, 2);
});

test("a rate limit holds between the times at which attempts were given out, though a worker's row is waited for", async () => {
  const deps = testDeps();
  await connectedWorker(deps);
  const rateLimit = { key: "api", count: 1, perMs: 1_000 };
  const jobs = [await submit(deps, { rateLimit }), await submit(deps, { rateLimit })];
  let waitMs = 800;
  const { database } = deps;
  /** A database in which somebody else holds the worker's row when the first is placed. */
  const busy = {
    readers: database.readers,
    insertJobs: database.insertJobs.bind(database),
    changeJob: database.changeJob.bind(database),
    transact: <T>(work: (stores: Stores) => Promise<T>) =>
      database.transact((stores) => {
        const lockAll: Stores["workers"]["lockAll"] = async (ids: readonly WorkerId[]) => {
          await deps.clock.advance(waitMs);
          waitMs = 0;
          return stores.workers.lockAll(ids);
        };
        const workers = new Proxy(stores.workers, {
          get: (target, name) => {
            if (name === "lockAll") return lockAll;
            const member = Reflect.get(target, name);
            return typeof member === "function" ? member.bind(target) : member;
          },
        });
        return work({ ...stores, workers });
      }),
  };
  const starts = async () => {
    await scheduleJobs({ ...deps, database: busy });
    const attempts = await Promise.all(jobs.map(({ id }) => database.readers.attempts.list(id)));
    return attempts.flat().map(({ assignedAt }) => assignedAt.getTime());
  };
  assert.equal((await starts()).length, 1);
  await deps.clock.advance(201);
  assert.equal(
    (await starts()).length,
    1,
    "a second has passed since it was read, not since it was given out",
  );
  await deps.clock.advance(799);
  const [a = 0, b = 0] = (await starts()).toSorted();
  assert.equal(b - a, rateLimit.perMs);
});

import assert from "node:assert/strict";
import { test } from "node:test";
import type { EventRecord } from "@hodei/domain";
import { ManualClock, MemoryDatabase } from "@hodei/testkit";
import { cancelJob } from "./cancel-job.ts";
import { ClusterSnapshot, type ClusterSnapshotDeps } from "./cluster-snapshot.ts";
import {
  ALICE,
  COMPLETED,
  connectedWorker,
  finish,
  running,
  settled,
  submit,
  testDeps,
} from "./fixtures.test.ts";
import { type Cluster, readCluster } from "./hosts.ts";
import { LiveWorkers, type LiveWorkersDeps } from "./live-workers.ts";
import { Signals } from "./signals.ts";

const POLL_MS = 1_000;

/** A snapshot over a database of which it hears, or does not, with the reads that it makes. */
function scene() {
  const signals = new Signals(new ManualClock());
  let isDeaf = false;
  const onCommit = (events: readonly EventRecord[]) => {
    if (!isDeaf) signals.onCommit(events);
  };
  const database = new MemoryDatabase({ onCommit });
  const deps = testDeps({ signals, database });
  const { jobs, workers } = database.readers;
  const reads: string[] = [];
  let failure: Error | undefined;
  const read = <Result>(what: string, result: Promise<Result>): Promise<Result> => {
    reads.push(what);
    return failure === undefined ? result : Promise.reject(failure);
  };
  const readers: LiveWorkersDeps["readers"] & ClusterSnapshotDeps["readers"] = {
    workers: {
      listLive: () => read("workers", workers.listLive()),
      findLive: (ids) => read(`${ids.length} worker`, workers.findLive(ids)),
    },
    jobs: {
      listHeld: () => read("held", jobs.listHeld()),
      findHeld: (ids) => read(`${ids.length} job`, jobs.findHeld(ids)),
    },
  };
  const liveWorkers = new LiveWorkers({ ...deps, readers });
  const snapshot = new ClusterSnapshot({ ...deps, liveWorkers, readers });
  const now = () => deps.clock.now();
  return {
    deps,
    snapshot,
    read: () => snapshot.read(now()),
    catchUp: () => snapshot.catchUp(now()),
    stored: () => readCluster(deps),
    /** Nobody hears of what `work` stores. */
    unheard: async (work: () => Promise<unknown>) => {
      isDeaf = true;
      await work();
      isDeaf = false;
    },
    fail: (error: Error | undefined) => {
      failure = error;
    },
    takeReads: () => reads.splice(0),
  };
}

const sorted = ({ hosts, held, workers }: Cluster) => ({
  hosts: hosts.toSorted((a, b) => (a.workerId < b.workerId ? -1 : 1)),
  held: held.toSorted((a, b) => (a.jobId < b.jobId ? -1 : 1)),
  workers: workers.toSorted((a, b) => (a.id < b.id ? -1 : 1)),
});

test("it is as the database is, and reads again only what events tell of", async () => {
  const { deps, read, catchUp, stored, takeReads } = scene();
  const { peer } = await connectedWorker(deps);
  const { ref } = await running(deps, peer);
  assert.deepEqual(sorted(await read()), sorted(await stored()));
  assert.deepEqual(takeReads(), ["workers", "held"]);
  await submit(deps);
  await read();
  assert.deepEqual(takeReads(), [], "a new job holds nothing");
  await peer.session.receive(finish(ref, COMPLETED));
  await settled();
  await catchUp();
  assert.deepEqual(takeReads(), [], "nor does one that has ended");
  assert.deepEqual((await read()).held, []);
  const next = await running(deps, peer);
  await read();
  takeReads();
  await cancelJob(deps, ALICE, next.job.id);
  await catchUp();
  assert.deepEqual(takeReads(), ["1 job"]);
  await connectedWorker(deps);
  assert.deepEqual(sorted(await read()), sorted(await stored()));
  assert.deepEqual(takeReads(), ["1 worker"]);
});

test("all is read again after an interval, after a failure, and when others changed something", async () => {
  const { deps, read, catchUp, takeReads, fail } = scene();
  await connectedWorker(deps);
  await catchUp();
  assert.deepEqual(takeReads(), [], "whoever needs all of it reads it");
  await read();
  await deps.clock.advance(POLL_MS);
  await read();
  deps.signals.notifyAll();
  await read();
  await connectedWorker(deps);
  fail(new Error("away"));
  await assert.rejects(read(), { message: "away" });
  fail(undefined);
  takeReads();
  assert.equal((await read()).hosts.length, 2);
  assert.deepEqual(takeReads(), ["workers"], "what was held could be read");
});

test("what no event tells of is drift: found, counted once, and gone from then on", async () => {
  const { deps, read, unheard } = scene();
  const { peer } = await connectedWorker(deps);
  const { ref } = await running(deps, peer);
  await read();
  await unheard(async () => {
    await peer.session.receive(finish(ref, COMPLETED));
    await settled();
  });
  assert.equal((await read()).held.length, 1, "nobody can know");
  await deps.clock.advance(POLL_MS);
  assert.deepEqual((await read()).held, []);
  assert.equal(deps.statistics.driftCount, 0, "an event may be on its way");
  for (let turn = 0; turn < 3; turn += 1) {
    await deps.clock.advance(POLL_MS);
    await read();
  }
  assert.equal(deps.statistics.driftCount, 1);
  assert.deepEqual(deps.warnings, ["snapshot_drift"]);
});

test("what an event tells of in time is no drift", async () => {
  const { deps, read, unheard } = scene();
  await connectedWorker(deps);
  await read();
  await unheard(() => connectedWorker(deps));
  await deps.clock.advance(POLL_MS);
  assert.equal((await read()).hosts.length, 2);
  deps.signals.notifyAll();
  await deps.clock.advance(POLL_MS);
  await read();
  assert.equal(deps.statistics.driftCount, 0);
});

test("what ends while it is read holds nothing afterwards", async () => {
  const { deps, snapshot, read } = scene();
  const { peer } = await connectedWorker(deps);
  const { job } = await running(deps, peer);
  await read();
  for (const isWhole of [false, true]) {
    const at = deps.clock.now();
    const told = (type: string) =>
      deps.signals.onCommit([{ subjectType: "job", subjectId: job.id, type, at } as never]);
    if (isWhole) snapshot.forget();
    else told("job.started");
    const reading = read();
    await Promise.resolve();
    told("job.succeeded");
    assert.deepEqual((await reading).held, []);
  }
});

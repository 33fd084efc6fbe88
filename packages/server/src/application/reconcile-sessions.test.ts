import assert from "node:assert/strict";
import { test } from "node:test";
import {
  COMPLETED,
  connect,
  connectedWorker,
  find,
  finish,
  registeredWorker,
  running,
  settled,
  testDeps,
} from "./fixtures.test.ts";
import { reapWorkers } from "./reap.ts";
import { reconcileSessions } from "./reconcile-sessions.ts";
import { DEFAULT_SETTINGS } from "./settings.ts";

const { reconnectGraceMs, workerSilenceMs, replicaTtlMs, orphanGraceMs } = DEFAULT_SETTINGS;

test("a worker that was stored as disconnected while its session was open comes back in time", async () => {
  const deps = testDeps();
  const { workerId, peer } = await connectedWorker(deps);
  const { job, ref } = await running(deps, peer);
  // Nobody could renew a row while the database was away, so this replica takes itself for dead.
  await deps.clock.advance(replicaTtlMs + 1);
  await reapWorkers(deps);
  const marked = await deps.database.readers.workers.get(workerId);
  assert.deepEqual(marked.connectBy, new Date(deps.clock.now().getTime() + orphanGraceMs));
  await reconcileSessions(deps);
  await peer.ended;
  await peer.session.close("the server ended the stream");
  const waiting = await deps.database.readers.workers.get(workerId);
  assert.deepEqual(waiting.connectBy, marked.connectBy);
  const again = await connect(deps, workerId, [ref]);
  await reconcileSessions(deps);
  await deps.clock.advance(orphanGraceMs + 1);
  await deps.database.transact(({ replicas }) => replicas.renew(deps.replicaId, deps.clock.now()));
  await reapWorkers(deps);
  await again.session.receive(finish(ref, COMPLETED));
  await settled();
  assert.equal((await find(deps, job)).state, "succeeded");
});

test("a worker that is stored as connected here without a session is lost after the grace of orphans", async () => {
  const deps = testDeps();
  const { workerId, peer } = await connectedWorker(deps);
  const { job } = await running(deps, peer);
  // As after a session whose end could not be stored.
  deps.sessions.forgetAll();
  await deps.clock.advance(workerSilenceMs);
  await deps.database.transact(({ replicas }) => replicas.renew(deps.replicaId, deps.clock.now()));
  await reapWorkers(deps);
  assert.equal((await find(deps, job)).state, "running");
  await reconcileSessions(deps);
  // As after its server died: its end could not be stored, so it may not have been able to come back either.
  await deps.clock.advance(reconnectGraceMs + 1);
  await reapWorkers(deps);
  assert.equal((await deps.database.readers.workers.get(workerId)).state, "ready");
  await deps.clock.advance(orphanGraceMs);
  await reapWorkers(deps);
  assert.equal((await deps.database.readers.workers.get(workerId)).state, "lost");
  assert.equal((await find(deps, job)).outcome?.reason, "worker_lost");
});

test("a session that is about to open, and one that is open, are left alone", async () => {
  const deps = testDeps();
  const { workerId, peer } = await connectedWorker(deps);
  const open = deps.sessions.all();
  await deps.clock.advance(workerSilenceMs);
  await reconcileSessions(deps);
  const opening = await registeredWorker(deps);
  await connect(deps, opening);
  deps.sessions.forgetAll();
  for (const session of open) deps.sessions.add(session);
  await reconcileSessions(deps);
  await settled();
  assert.deepEqual(
    peer.received.map(({ type }) => type),
    ["welcome"],
  );
  for (const id of [workerId, opening]) {
    assert.equal((await deps.database.readers.workers.get(id)).connectBy, null);
  }
});

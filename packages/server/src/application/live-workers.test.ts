import assert from "node:assert/strict";
import { test } from "node:test";
import { dispatchDrains } from "./dispatch-assignments.ts";
import { connectedWorker, testDeps } from "./fixtures.test.ts";
import { LiveWorkers } from "./live-workers.ts";
import { reapWorkers } from "./reap.ts";
import { reconcileSessions } from "./reconcile-sessions.ts";

test("loops share what was read, and of thousands that come each is read once", async () => {
  const bare = testDeps();
  const { workers } = bare.database.readers;
  const reads: string[] = [];
  const readers = {
    workers: {
      listLive: () => {
        reads.push("all");
        return workers.listLive();
      },
      findLive: (ids: Parameters<typeof workers.findLive>[0]) => {
        reads.push(`${ids.length}`);
        return workers.findLive(ids);
      },
    },
  };
  const deps = { ...bare, liveWorkers: new LiveWorkers({ ...bare, readers }) };
  const turn = async () => {
    for (const loop of [dispatchDrains, reapWorkers, reconcileSessions]) await loop(deps);
    return reads.splice(0);
  };
  await deps.database.transact(({ replicas }) => replicas.renew(deps.replicaId, deps.clock.now()));
  await connectedWorker(deps);
  assert.deepEqual(await turn(), ["all"]);
  assert.deepEqual(await turn(), []);
  await connectedWorker(deps);
  await connectedWorker(deps);
  assert.deepEqual(await turn(), ["2"]);
  assert.equal((await deps.liveWorkers.list(deps.clock.now())).length, 3);
});

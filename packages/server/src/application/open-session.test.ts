import assert from "node:assert/strict";
import { test } from "node:test";
import type { Database } from "@hodei/domain";
import {
  assign,
  connectedWorker,
  find,
  hello,
  Peer,
  settled,
  submit,
  testDeps,
} from "./fixtures.test.ts";
import { openSession } from "./open-session.ts";
import { reapUnacknowledged } from "./reap.ts";
import { DEFAULT_SETTINGS } from "./settings.ts";

test("an attempt that goes to another worker while its old one comes back stays the other's", async () => {
  const deps = testDeps();
  const { workerId, peer } = await connectedWorker(deps);
  const job = await submit(deps);
  const ref = await assign(deps, peer, job);
  const before = await deps.database.readers.jobs.listOfWorkers([workerId]);
  await peer.session.close("cut");
  const other = await connectedWorker(deps);
  await deps.clock.advance(DEFAULT_SETTINGS.acknowledgeTimeoutMs);
  await reapUnacknowledged(deps);
  const otherRef = await assign(deps, other.peer, job);
  // What the old worker has is read just before it is taken back.
  const database: Database = {
    readers: deps.database.readers,
    insertJobs: (jobs) => deps.database.insertJobs(jobs),
    changeJob: (change) => deps.database.changeJob(change),
    transact: (work) =>
      deps.database.transact((stores) => {
        Object.assign(stores.jobs, { listOfWorkers: async () => before });
        return work(stores);
      }),
  };
  const again = new Peer(await openSession({ ...deps, database }, workerId, hello([ref])));
  await settled();
  assert.equal((await find(deps, job)).state, "assigned");
  assert.deepEqual(again.of("abandon_attempt"), [{ type: "abandon_attempt", ref }]);
  await other.peer.session.receive({ type: "attempt_started", ref: otherRef });
  await settled();
  assert.equal((await find(deps, job)).state, "running");
});

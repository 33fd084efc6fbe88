import assert from "node:assert/strict";
import { test } from "node:test";
import { LEADERSHIP_NAME } from "./fenced-database.ts";
import { connectedWorker, testDeps } from "./fixtures.test.ts";
import { createLoops } from "./loops.ts";
import { DEFAULT_SETTINGS } from "./settings.ts";

for (const reconnectGraceMs of [100, DEFAULT_SETTINGS.pollIntervalMs, 5_000]) {
  test(`a worker that is gone is lost ${reconnectGraceMs} ms later, however often loops run`, async () => {
    const deps = testDeps({ settings: { ...DEFAULT_SETTINGS, reconnectGraceMs } });
    const epoch = await deps.database.transact((stores) =>
      stores.leadership.begin(LEADERSHIP_NAME),
    );
    const loops = createLoops(deps, { epoch: () => epoch });
    for (const loop of loops) await loop.start();
    await deps.clock.advance(30_000);
    const { workerId, peer } = await connectedWorker(deps);
    await deps.clock.advance(DEFAULT_SETTINGS.pollIntervalMs / 2);
    await peer.session.close("cut");
    await deps.clock.advance(reconnectGraceMs + DEFAULT_SETTINGS.pollIntervalMs + 1);
    const { state } = await deps.database.readers.workers.get(workerId);
    const stopped = Promise.all(loops.map((loop) => loop.stop()));
    await deps.clock.advance(DEFAULT_SETTINGS.pollIntervalMs);
    await stopped;
    assert.equal(state, "lost");
    assert.deepEqual(deps.warnings, ["worker_removed"]);
  });
}

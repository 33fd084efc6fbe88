import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { afterEach, beforeEach, test } from "node:test";
import { LogOverflow } from "@hodei/proto/hodei/v1/job";
import { waitFor } from "@hodei/testkit";
import { BadNetwork } from "../test/bad-network.ts";
import type { ServedAttempt } from "../test/test-server.ts";
import { WorkerFixture } from "../test/worker-fixture.ts";

const MIB = 1024 * 1024;
const LINE_COUNT = 300_000;
const PATIENCE = { timeoutMs: 60_000, intervalMs: 20 };

let fixture: WorkerFixture;
let network: BadNetwork;
beforeEach(async () => {
  fixture = await WorkerFixture.create(process.env);
  const bad = await BadNetwork.to(fixture.server.url);
  network = bad.network;
  await fixture.startWorker({ serverUrl: bad.url, logSpoolAttemptBytes: 4 * MIB });
  await waitFor(() => fixture.server.session?.heartbeatCount, PATIENCE);
});
afterEach(async () => {
  assert.deepEqual(fixture.server.violations, []);
  await network.close();
  await fixture.close();
});

/** A job that writes faster than the network carries for all of the test, and waits rather than leave something out. */
async function startFlood(): Promise<ServedAttempt> {
  const attempt = fixture.server.assign({
    work: { case: "script", value: { content: `seq 1 ${LINE_COUNT}; sleep 0.2; echo end` } },
    logPolicy: { overflow: LogOverflow.BLOCK },
  });
  await waitFor(() => attempt.endOffset > 1_000, PATIENCE);
  return attempt;
}

/** All is there, once, and it was one attempt. */
async function assertWhole(attempt: ServedAttempt): Promise<void> {
  await waitFor(() => attempt.results[0], PATIENCE);
  const hash = createHash("sha256");
  for (let number = 1; number <= LINE_COUNT; number += 1) hash.update(`${number}\n`);
  assert.equal(attempt.hash.digest("hex"), hash.update("end\n").digest("hex"));
  assert.equal(attempt.missing.dropped, 0);
  assert.equal(attempt.results[0]?.outcome?.exitCode, 0);
}

/** Waits until the worker has another session than `session`. */
const untilReconnected = (session: unknown): Promise<unknown> =>
  waitFor(() => {
    const next = fixture.server.session;
    return next !== session && next?.heartbeatCount ? next : undefined;
  }, PATIENCE);

test("cut in the middle of a flood: the job goes on, and its log is whole", async () => {
  const attempt = await startFlood();
  for (let count = 0; count < 3; count += 1) {
    const { session } = fixture.server;
    network.cut();
    await untilReconnected(session);
  }
  await assertWhole(attempt);
});

test("half-open: the worker finds that nobody answers, and comes by another connection", async () => {
  const attempt = await startFlood();
  const { session } = fixture.server;
  network.weather = "half-open";
  await waitFor(() => fixture.hasLogged("session.lost"), PATIENCE);
  network.weather = "fair";
  await untilReconnected(session);
  await assertWhole(attempt);
});

test("a byte a second: the worker gives the connection up, and goes on when the network does", async () => {
  const attempt = await startFlood();
  const { session } = fixture.server;
  network.weather = "trickle";
  await waitFor(() => fixture.hasLogged("session.lost"), PATIENCE);
  network.weather = "fair";
  network.cut();
  await untilReconnected(session);
  await assertWhole(attempt);
});

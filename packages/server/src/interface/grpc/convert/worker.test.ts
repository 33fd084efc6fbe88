import assert from "node:assert/strict";
import { test } from "node:test";
import { create } from "@bufbuild/protobuf";
import { CapacitySchema, WorkerState } from "@hodei/proto/hodei/v1/worker";
import { aWorker, someWorkerFacts } from "@hodei/testkit";
import { fromProtoCapacity, toProtoCapacity, toProtoWorker } from "./worker.ts";

test("a ready worker with attempts shows as busy", () => {
  assert.equal(toProtoWorker(aWorker(), 0).state, WorkerState.READY);
  const busy = toProtoWorker(aWorker(), 2);
  assert.equal(busy.state, WorkerState.BUSY);
  assert.equal(busy.runningAttempts, 2);
  assert.equal(busy.hostname, someWorkerFacts().hostname);
  assert.equal(busy.capacity?.cpuMillis, 4_000);
});

test("a worker that never connected has no facts", () => {
  const worker = toProtoWorker(
    aWorker({ state: "provisioning", facts: null, connectedAt: null }),
    0,
  );
  assert.equal(worker.capacity, undefined);
  assert.equal(worker.connectedAt, undefined);
  assert.deepEqual(worker.labels, {});
});

test("capacity goes there and back, and is refused beyond exactness", () => {
  const capacity = { cpuMillis: 1, memoryBytes: 2 ** 50, diskBytes: Number.MAX_SAFE_INTEGER };
  assert.deepEqual(fromProtoCapacity(toProtoCapacity(capacity)), capacity);
  assert.throws(() => fromProtoCapacity(create(CapacitySchema, { diskBytes: 2n ** 53n })), {
    code: "invalid_argument",
    message: /^capacity\.disk_bytes/,
  });
});

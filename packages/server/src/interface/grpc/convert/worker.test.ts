import assert from "node:assert/strict";
import { test } from "node:test";
import { create } from "@bufbuild/protobuf";
import { durationFromMs, timestampFromDate } from "@bufbuild/protobuf/wkt";
import { MAX_ATTEMPT_COUNT } from "@hodei/domain";
import { CapacitySchema, WorkerMetricsSchema, WorkerState } from "@hodei/proto/hodei/v1/worker";
import { HeartbeatSchema } from "@hodei/proto/hodei/v1/worker_service";
import { aWorker, START, someWorkerFacts } from "@hodei/testkit";
import type { WorkerView } from "../../../application/index.ts";
import { fromProtoCapacity, fromProtoMetrics, toProtoCapacity, toProtoWorker } from "./worker.ts";

const aView = (parts: Partial<WorkerView> = {}): WorkerView => ({
  worker: aWorker(),
  runningAttempts: 0,
  capacity: someWorkerFacts().capacity,
  metrics: null,
  ...parts,
});

test("a ready worker with attempts shows as busy", () => {
  assert.equal(toProtoWorker(aView()).state, WorkerState.READY);
  const busy = toProtoWorker(aView({ runningAttempts: 2 }));
  assert.equal(busy.state, WorkerState.BUSY);
  assert.equal(busy.runningAttempts, 2);
  assert.equal(busy.hostname, someWorkerFacts().hostname);
  assert.equal(busy.capacity?.cpuMillis, 4_000);
});

test("a worker that never connected has no facts", () => {
  const worker = toProtoWorker(
    aView({
      worker: aWorker({ state: "provisioning", facts: null, connectedAt: null }),
      capacity: null,
    }),
  );
  assert.equal(worker.metrics, undefined);
  assert.equal(worker.capacity, undefined);
  assert.equal(worker.connectedAt, undefined);
  assert.deepEqual(worker.labels, {});
});

test("metrics of a heartbeat are those of its worker", () => {
  const measured = {
    cpuUtilization: 0.5,
    load: [1, 2, 3],
    memoryAvailableBytes: 4n,
    disks: [{ mount: "/", totalBytes: 6n, freeBytes: 5n }],
    networkReceivedBytes: 7n,
    networkSentBytes: 8n,
    droppedLogBytes: 9n,
    eventLoopDelay: durationFromMs(10),
  };
  const metrics = fromProtoMetrics(create(HeartbeatSchema, measured));
  assert.ok(metrics !== null);
  const shown = toProtoWorker(aView({ metrics: { ...metrics, reportedAt: START } })).metrics;
  const expected = { ...measured, reportedAt: timestampFromDate(START) };
  assert.deepEqual(shown, create(WorkerMetricsSchema, expected));
});

test("a heartbeat without load has no metrics", () => {
  assert.equal(fromProtoMetrics(create(HeartbeatSchema, { memoryAvailableBytes: 1n })), null);
});

test("capacity goes there and back, and is refused beyond exactness", () => {
  const capacity = {
    cpuMillis: 1,
    memoryBytes: 2 ** 50,
    diskBytes: Number.MAX_SAFE_INTEGER,
    gpuCount: 2,
    attemptCount: 3,
  };
  assert.deepEqual(fromProtoCapacity(toProtoCapacity(capacity)), capacity);
  assert.equal(fromProtoCapacity(create(CapacitySchema)).attemptCount, MAX_ATTEMPT_COUNT);
  assert.throws(() => fromProtoCapacity(create(CapacitySchema, { diskBytes: 2n ** 53n })), {
    code: "invalid_argument",
    message: /^capacity\.disk_bytes/,
  });
});

import assert from "node:assert/strict";
import { test } from "node:test";
import { after, anyWorkerEvent, aWorker, START, someWorkerFacts } from "@hodei/testkit";
import fc from "fast-check";
import type { ReplicaId } from "./ids.ts";
import {
  applyWorkerEvent,
  createWorker,
  isOtherCapacity,
  takesAttempts,
  WORKER_TRANSITIONS,
  type WorkerEvent,
  type WorkerState,
  workerStatus,
} from "./worker.ts";

const CONNECTED: WorkerEvent = {
  type: "connected",
  at: after(2),
  replicaId: "replica" as ReplicaId,
  facts: someWorkerFacts(),
};

function newWorker() {
  const { id, tenantId, pool, provider } = aWorker();
  return createWorker({ id, tenantId, pool, provider, connectBy: after(100) }, START);
}

test("nobody is given attempts who is not connected, or about to leave", () => {
  fc.assert(
    fc.property(fc.array(anyWorkerEvent(), { maxLength: 20 }), (events) => {
      let worker = newWorker();
      for (const event of events) {
        if (WORKER_TRANSITIONS[worker.state][event.type] === undefined) {
          assert.throws(() => applyWorkerEvent(worker, event), {
            code: "failed_precondition",
            reason: "illegal_transition",
          });
          continue;
        }
        worker = applyWorkerEvent(worker, event);
        assert.equal(worker.terminatedAt !== null, worker.state === "terminated");
        if (takesAttempts(worker)) {
          assert.equal(worker.state, "ready");
          assert.equal(worker.drainRequestedAt, null);
          assert.notEqual(worker.facts, null);
        }
        if (event.type === "disconnected" || event.type === "drain_requested") {
          assert.equal(takesAttempts(worker), false);
        }
      }
    }),
  );
});

test("a worker registers, connects, and is ready; nothing brings back one that is terminated", () => {
  const registered = applyWorkerEvent(newWorker(), { type: "registered", at: after(1) });
  assert.equal(registered.state, "connecting");
  assert.equal(takesAttempts(registered), false);
  const ready = applyWorkerEvent(registered, CONNECTED);
  assert.equal(takesAttempts(ready), true);
  assert.deepEqual(WORKER_TRANSITIONS.terminated, {});
});

test("a lost worker that comes back works again, unless it was to leave", () => {
  const lost = applyWorkerEvent(aWorker(), { type: "lost", at: after(1), message: "" });
  assert.equal(takesAttempts(lost), false);
  assert.equal(takesAttempts(applyWorkerEvent(lost, CONNECTED)), true);
  const asked = applyWorkerEvent(lost, { type: "drain_requested", at: after(2), by: "x" });
  assert.equal(takesAttempts(applyWorkerEvent(asked, CONNECTED)), false);
});

test("the first request to drain is the one that is kept", () => {
  const drain = (at: Date): WorkerEvent => ({ type: "drain_requested", at, by: "x" });
  const draining = applyWorkerEvent(aWorker(), drain(after(1)));
  assert.deepEqual(applyWorkerEvent(draining, drain(after(2))).drainRequestedAt, after(1));
});

test("a ready worker with attempts shows as busy", () => {
  assert.equal(workerStatus(aWorker(), 0), "ready");
  assert.equal(workerStatus(aWorker(), 1), "busy");
  for (const state of Object.keys(WORKER_TRANSITIONS) as WorkerState[]) {
    if (state !== "ready") assert.equal(workerStatus(aWorker({ state }), 1), state);
  }
});

test("plans are to know of another size, of a disk that is full or is not any more, and of a quarter of it", () => {
  const known = { ...someWorkerFacts().capacity, diskBytes: 1_000 };
  const differs = (now: Partial<typeof known>) => isOtherCapacity(known, { ...known, ...now });
  assert.equal(differs({}), false);
  assert.equal(differs({ memoryBytes: known.memoryBytes - 1 }), true);
  assert.equal(differs({ diskBytes: 751 }), false);
  assert.equal(differs({ diskBytes: 1_250 }), false);
  assert.equal(differs({ diskBytes: 749 }), true);
  assert.equal(differs({ diskBytes: 0 }), true);
  assert.equal(isOtherCapacity({ ...known, diskBytes: 0 }, { ...known, diskBytes: 1 }), true);
});

import assert from "node:assert/strict";
import { test } from "node:test";
import { after, aJob, anyJobEvent, anyWorkerEvent, aWorker } from "@hodei/testkit";
import fc from "fast-check";
import { jobEventRecords, workerEventRecords } from "./events.ts";
import type { LeaseToken } from "./ids.ts";

test("events of one write share its version and say whose they are", () => {
  fc.assert(
    fc.property(fc.array(anyJobEvent(), { maxLength: 3 }), (events) => {
      const job = aJob({ version: 7, correlationId: "request" });
      const records = jobEventRecords(job, events);
      assert.deepEqual(
        records.map(({ type, at }) => ({ type, at })),
        events.map(({ type, at }) => ({ type: `job.${type}`, at })),
      );
      for (const [index, record] of records.entries()) {
        assert.equal(record.subjectId, job.id);
        assert.equal(record.version, 7);
        assert.equal(record.correlationId, "request");
        assert.equal(record.causedBy, events[index]?.causedBy ?? `job/${job.id}/6`);
      }
    }),
  );
});

test("an assignment says who runs which attempt, but not with which token", () => {
  const { id: workerId } = aWorker();
  const lease = { token: "secret" as LeaseToken, workerId, acknowledgeBy: after(1) };
  const job = aJob({ attempt: 3 });
  const [record] = jobEventRecords(job, [{ type: "assigned", at: after(0), lease }]);
  assert.deepEqual(record?.data, { workerId, attempt: 3 });
});

test("worker events carry all that they know", () => {
  fc.assert(
    fc.property(anyWorkerEvent(), (event) => {
      const [record] = workerEventRecords(aWorker({ version: 2 }), [event]);
      const { type, at, causedBy = `worker/${aWorker().id}/1`, ...data } = event;
      assert.equal(record?.causedBy, causedBy);
      assert.equal(record?.type, `worker.${type}`);
      assert.deepEqual(record?.at, at);
      assert.deepEqual(record?.data, data);
    }),
  );
});

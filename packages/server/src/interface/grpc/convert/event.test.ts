import assert from "node:assert/strict";
import { test } from "node:test";
import { create, toJson } from "@bufbuild/protobuf";
import { jobEventRecords } from "@hodei/domain";
import { EventFilterSchema, EventSchema } from "@hodei/proto/hodei/v1/event_service";
import { after, aJob, START } from "@hodei/testkit";
import { fromProtoEventFilter, toProtoEvent } from "./event.ts";

test("an event carries its data as JSON", () => {
  const outcome = { reason: "signal", exitCode: null, signal: "SIGKILL", message: "" } as const;
  const events = jobEventRecords(aJob(), [
    { type: "retry_scheduled", at: START, runAt: after(5), outcome },
  ]);
  const [event] = events.map((record) => toProtoEvent({ ...record, cursor: "c1" }));
  assert.ok(event);
  assert.equal(event.type, "job.retry_scheduled");
  assert.equal(event.cursor, "c1");
  assert.deepEqual(event.data, { runAt: after(5).toISOString(), outcome });
  assert.ok(toJson(EventSchema, event));
});

test("a filter narrows by what is set, and by nothing else", () => {
  assert.deepEqual(fromProtoEventFilter(undefined), {});
  assert.deepEqual(fromProtoEventFilter(create(EventFilterSchema)), {});
  const filter = create(EventFilterSchema, { subjectId: "s", types: ["job.created"] });
  assert.deepEqual(fromProtoEventFilter(filter), { subjectId: "s", types: ["job.created"] });
});

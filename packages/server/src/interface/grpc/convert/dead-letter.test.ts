import assert from "node:assert/strict";
import { test } from "node:test";
import { create } from "@bufbuild/protobuf";
import { timestampDate } from "@bufbuild/protobuf/wkt";
import { jobEventRecords } from "@hodei/domain";
import { DeadLetterChoiceSchema } from "@hodei/proto/hodei/v1/event_service";
import { after, aJob, START } from "@hodei/testkit";
import { fromProtoDeadLetterChoice, toProtoDeadLetter } from "./dead-letter.ts";

test("a dead letter says which event failed for whom, how often, when and why", () => {
  const [record] = jobEventRecords(aJob(), [{ type: "started", at: START }]);
  assert.ok(record);
  const letter = toProtoDeadLetter({
    subscription: "webhook",
    event: { ...record, cursor: "c1" },
    failures: 15,
    error: "answered HTTP 500",
    nextTryAt: START,
    deadAt: after(9),
  });
  assert.deepEqual([letter.key?.subscription, letter.key?.cursor], ["webhook", "c1"]);
  assert.deepEqual([letter.failures, letter.error], [15, "answered HTTP 500"]);
  assert.equal(letter.event?.type, "job.started");
  assert.deepEqual(letter.deadAt && timestampDate(letter.deadAt), after(9));
});

test("a choice is of keys or of all; none at all is refused", () => {
  const keys = [{ subscription: "webhook", cursor: "c1" }];
  assert.deepEqual(fromProtoDeadLetterChoice(create(DeadLetterChoiceSchema, { keys })), keys);
  assert.equal(fromProtoDeadLetterChoice(create(DeadLetterChoiceSchema, { all: true })), null);
  assert.throws(() => fromProtoDeadLetterChoice(undefined), { code: "invalid_argument" });
});

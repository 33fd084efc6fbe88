import assert from "node:assert/strict";
import { test } from "node:test";
import { create } from "@bufbuild/protobuf";
import { DurationSchema, TimestampSchema } from "@bufbuild/protobuf/wkt";
import fc from "fast-check";
import {
  fromProtoDuration,
  fromProtoTime,
  toProtoDuration,
  toProtoOptionalDuration,
  toProtoOptionalTime,
  toProtoTime,
} from "./times.ts";

const OUT_OF_RANGE = { code: "invalid_argument", reason: "time_out_of_range", message: /^a\.b: / };

const anyInstant = () =>
  fc.date({
    min: new Date("0001-01-01T00:00:00Z"),
    max: new Date("9999-12-31T23:59:59.999Z"),
    noInvalidDate: true,
  });

test("instants go there and back", () => {
  fc.assert(
    fc.property(anyInstant(), (at) => {
      assert.deepEqual(fromProtoTime("a.b", toProtoTime(at)), at);
    }),
  );
});

test("time spans go there and back", () => {
  fc.assert(
    fc.property(fc.nat({ max: 2 ** 40 }), (ms) => {
      assert.equal(fromProtoDuration("a.b", toProtoDuration(ms)), ms);
    }),
  );
});

test("null is an unset field", () => {
  assert.equal(toProtoOptionalTime(null), undefined);
  assert.equal(toProtoOptionalDuration(null), undefined);
});

test("an instant is cut to milliseconds, a time span rounded up", () => {
  const nanos = 1_999_999;
  assert.equal(fromProtoTime("a.b", create(TimestampSchema, { nanos })).getTime(), 1);
  assert.equal(fromProtoDuration("a.b", create(DurationSchema, { nanos })), 2);
  assert.equal(fromProtoDuration("a.b", create(DurationSchema, { nanos: 1 })), 1);
});

test("what no instant can be is refused with the field's name", () => {
  const bad = [
    { seconds: -62_135_596_801n },
    { seconds: 253_402_300_800n },
    { seconds: 2n ** 62n },
    { nanos: -1 },
    { nanos: 1_000_000_000 },
  ];
  for (const init of bad) {
    assert.throws(() => fromProtoTime("a.b", create(TimestampSchema, init)), OUT_OF_RANGE);
  }
});

test("what no time span can be is refused with the field's name", () => {
  const bad = [{ seconds: -1n }, { nanos: -1 }, { seconds: 2n ** 62n }, { nanos: 1_000_000_000 }];
  for (const init of bad) {
    assert.throws(() => fromProtoDuration("a.b", create(DurationSchema, init)), OUT_OF_RANGE);
  }
});

import assert from "node:assert/strict";
import { suite, test } from "node:test";
import {
  ATTEMPT_TRANSITIONS,
  PLACEMENT_POLICIES as DOMAIN_POLICIES,
  EXIT_REASONS,
  JOB_TRANSITIONS,
  WORKER_TRANSITIONS,
} from "@hodei/domain";
import {
  ATTEMPT_STATES,
  CONFLICT_POLICIES,
  CONSTRAINT_OPERATORS,
  DEPENDENCY_CONDITIONS,
  EXIT_REASON_VALUES,
  fromProtoStreamChoice,
  JOB_STATES,
  LOG_COMPRESSIONS,
  LOG_GAPS,
  LOG_OVERFLOWS,
  LOG_STREAMS,
  PLACEMENT_POLICIES,
  SECRET_FORMS,
  WORKER_STATES,
} from "./enums.ts";

/** The words of the domain, from its own tables where it has one. */
const TABLES = [
  [JOB_STATES, Object.keys(JOB_TRANSITIONS)],
  [ATTEMPT_STATES, Object.keys(ATTEMPT_TRANSITIONS)],
  [WORKER_STATES, [...Object.keys(WORKER_TRANSITIONS), "busy"]],
  [EXIT_REASON_VALUES, Object.keys(EXIT_REASONS)],
  [CONFLICT_POLICIES, ["queue", "cancel_in_progress", "drop_newest"]],
  [DEPENDENCY_CONDITIONS, ["succeeded", "failed", "any"]],
  [CONSTRAINT_OPERATORS, ["eq", "ne", "gt", "lt", "in", "not_in", "exists"]],
  [PLACEMENT_POLICIES, Object.keys(DOMAIN_POLICIES)],
  [LOG_STREAMS, ["stdout", "stderr"]],
  [LOG_GAPS, ["dropped", "expired", "limit", "skipped", "tenant_limit"]],
  [LOG_COMPRESSIONS, ["zstd"]],
  [LOG_OVERFLOWS, ["drop", "block"]],
  [SECRET_FORMS, ["env", "file"]],
] as const;

for (const [table, words] of TABLES) {
  suite(table.schema.name, () => {
    const { values, schema, toProto, fromProto } = table as (typeof TABLES)[0][0] & {
      values: Readonly<Record<string, number>>;
      toProto(word: string): number;
      fromProto(value: number): string;
    };

    test("has exactly the words of the domain, spelled alike", () => {
      assert.deepEqual(Object.keys(values).sort(), [...words].sort());
      const shared = schema.sharedPrefix ?? "";
      for (const word of words) {
        assert.equal(schema.value[toProto(word)]?.name.toLowerCase(), `${shared}${word}`);
      }
    });

    test("has every value but UNSPECIFIED, and goes both ways", () => {
      const numbers = schema.values.map(({ number }) => number).filter((number) => number !== 0);
      assert.deepEqual(
        Object.values(values).sort((a, b) => a - b),
        numbers.sort((a, b) => a - b),
      );
      for (const word of words) assert.equal(fromProto(toProto(word)), word);
    });

    test("refuses UNSPECIFIED and unknown values", () => {
      for (const value of [0, 99]) {
        assert.throws(() => fromProto(value), { code: "invalid_argument" });
      }
    });
  });
}

test("an unspecified stream means both", () => {
  assert.equal(fromProtoStreamChoice(0), null);
  assert.equal(fromProtoStreamChoice(2), "stderr");
});

import assert from "node:assert/strict";
import { test } from "node:test";
import { ConstraintOperator } from "@hodei/proto/hodei/v1/job";
import { enumWord } from "../output/enum-word.ts";
import { parseConstraint, parseGpus, parsePreference, parseToleration } from "./constraint.ts";
import { InvalidValue } from "./invalid-value.ts";

test("a constraint is a label, a sign and values", () => {
  const parts = (text: string) => {
    const { label, operator, values } = parseConstraint(text);
    return [label, enumWord(ConstraintOperator, operator), ...values];
  };
  assert.deepEqual(parts("zone=a"), ["zone", "eq", "a"]);
  assert.deepEqual(parts("zone=a,b"), ["zone", "in", "a", "b"]);
  assert.deepEqual(parts("zone!=a"), ["zone", "ne", "a"]);
  assert.deepEqual(parts("zone!=a,b"), ["zone", "not_in", "a", "b"]);
  assert.deepEqual(parts("cores>8"), ["cores", "gt", "8"]);
  assert.deepEqual(parts("cores<8"), ["cores", "lt", "8"]);
  assert.deepEqual(parts("ssd"), ["ssd", "exists"]);
  assert.deepEqual(parts("zone="), ["zone", "eq", ""]);
  assert.deepEqual(parts("a=b=c"), ["a", "eq", "b=c"]);
  assert.deepEqual(parts("hodei/pool=local"), ["hodei/pool", "eq", "local"]);
  for (const text of ["", "=a", "a,b", "cores>1,2", "!zone"]) {
    assert.throws(() => parseConstraint(text), InvalidValue, text);
  }
});

test("a preference has a weight of 1 unless it says another", () => {
  const weigh = (text: string) => [
    parsePreference(text).weight,
    parsePreference(text).constraint.label,
  ];
  assert.deepEqual(weigh("zone=a"), [1, "zone"]);
  assert.deepEqual(weigh("10:zone=a"), [10, "zone"]);
  assert.deepEqual(weigh("-5:spot"), [-5, "spot"]);
  assert.deepEqual(weigh("a:zone"), [1, "a:zone"]);
  assert.throws(() => parsePreference("10:"), InvalidValue);
  assert.throws(() => parsePreference("99999999999:zone=a"), InvalidValue);
});

test("a toleration has a key, and any value unless it says one", () => {
  assert.deepEqual(parseToleration("spot"), { key: "spot", value: "" });
  assert.deepEqual(parseToleration("spot=eu=1"), { key: "spot", value: "eu=1" });
  assert.throws(() => parseToleration("=eu"), InvalidValue);
});

test("GPUs have a count and may have a model", () => {
  assert.deepEqual(parseGpus("2"), { gpuCount: 2, gpuModel: "" });
  assert.deepEqual(parseGpus("a100=2"), { gpuCount: 2, gpuModel: "a100" });
  for (const text of ["0", "a100", "a100=0", "=2", "-1"]) {
    assert.throws(() => parseGpus(text), InvalidValue, text);
  }
});

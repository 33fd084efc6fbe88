import assert from "node:assert/strict";
import { test } from "node:test";
import { anyConstraint } from "@hodei/testkit";
import fc from "fast-check";
import type { Constraint } from "../job-spec.ts";
import { describeConstraint, holds } from "./constraints.ts";

test("constraints hold as their operators say", () => {
  const labels = { os: "linux", cores: "16", empty: "", text: "abc" };
  const check = (label: string, operator: Constraint["operator"], ...values: string[]) =>
    holds({ label, operator, values }, labels);
  assert.equal(check("os", "eq", "linux"), true);
  assert.equal(check("os", "eq", "windows"), false);
  assert.equal(check("os", "ne", "windows"), true);
  assert.equal(check("os", "in", "linux", "macos"), true);
  assert.equal(check("os", "not_in", "linux", "macos"), false);
  assert.equal(check("cores", "gt", "8"), true, "numbers, not text");
  assert.equal(check("cores", "gt", "16"), false);
  assert.equal(check("cores", "lt", "16.5"), true);
  assert.equal(check("text", "gt", "1"), false);
  assert.equal(check("text", "lt", "1"), false);
  assert.equal(check("empty", "lt", "1"), false, "an empty label is no number");
  assert.equal(check("empty", "exists"), true);
});

test("a missing label fails every test but ne and not_in", () => {
  fc.assert(
    fc.property(anyConstraint(), (constraint) => {
      const expected = constraint.operator === "ne" || constraint.operator === "not_in";
      assert.equal(holds(constraint, {}), expected);
    }),
  );
});

test("a constraint reads as people write it", () => {
  const text = (operator: Constraint["operator"], ...values: string[]) =>
    describeConstraint({ label: "zone", operator, values });
  assert.equal(text("exists"), "zone");
  assert.equal(text("eq", "a"), "zone = a");
  assert.equal(text("ne", "a"), "zone != a");
  assert.equal(text("gt", "1"), "zone > 1");
  assert.equal(text("lt", "1"), "zone < 1");
  assert.equal(text("in", "a", "b"), "zone in a, b");
  assert.equal(text("not_in", "a", "b"), "zone not in a, b");
});

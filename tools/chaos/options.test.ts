import assert from "node:assert/strict";
import { test } from "node:test";
import { parseOptions } from "./options.ts";

const parse = (...args: string[]) => parseOptions(args, () => 0.5);

test("what is not said has a default, and the seed is one that can be given", () => {
  const options = parse("worker");
  assert.deepEqual(options, {
    mode: "worker",
    durationMs: 300_000,
    seed: 2 ** 30,
    isPlanOnly: false,
    isKept: false,
  });
  assert.deepEqual(parse("worker", "--seed", String(2 ** 30)), options);
});

test("minutes may be fractions", () => {
  assert.deepEqual(parse("worker", "--minutes", "0.25", "--seed", "3", "--plan", "--keep"), {
    mode: "worker",
    durationMs: 15_000,
    seed: 3,
    isPlanOnly: true,
    isKept: true,
  });
});

test("the servers can have the bad day, too", () => {
  assert.equal((parse("control") as { mode: string }).mode, "control");
});

test("what makes no sense is said", () => {
  const cases: readonly (readonly [string[], RegExp])[] = [
    [[], /say what to run/],
    [["server"], /say what to run/],
    [["worker", "worker"], /say what to run/],
    [["worker", "--minutes", "0"], /--minutes/],
    [["worker", "--minutes", "long"], /--minutes/],
    [["worker", "--seed", "-1"], /--seed/],
    [["worker", "--seed", "x"], /--seed/],
    [["worker", "--speed", "1"], /--speed/],
  ];
  for (const [args, expected] of cases) assert.match(String(parse(...args)), expected);
});

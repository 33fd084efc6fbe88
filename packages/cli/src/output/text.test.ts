import assert from "node:assert/strict";
import { test } from "node:test";
import { facts, painter, table, visible } from "./text.ts";

const plain = (_style: string, text: string) => text;
const marked = (style: string, text: string) => `<${style}>${text}</>`;

test("columns are as wide as their widest cell, and nothing trails", () => {
  const text = table(
    ["ID", "NAME"],
    [
      ["a", "first"],
      ["long-id", ""],
      ["ü", "x"],
    ],
    plain,
  );
  assert.equal(text, "ID       NAME\na        first\nlong-id  \nü        x\n");
});

test("styles do not count for the width", () => {
  const text = table(["A", "B"], [[{ text: "ok", style: "green" }, "x"]], marked);
  assert.equal(text, "<bold>A</>   <bold>B</>\n<green>ok</>  x\n");
});

test("facts without a value are left out", () => {
  assert.equal(
    facts(
      [
        ["id", "a"],
        ["message", undefined],
        ["state", "b"],
      ],
      plain,
    ),
    "id:    a\nstate: b\n",
  );
});

test("a name cannot steer the terminal", () => {
  assert.equal(visible("a\u001b[2Jb\nc\u202ed\u0085é"), "a\\x1b[2Jb\\x0ac\\u202ed\\x85é");
});

test("colours need a terminal, and no NO_COLOR", () => {
  const output = (isTerminal: boolean) => ({ isTerminal, columns: 80, write: async () => {} });
  const paint = (isTerminal: boolean, env: Record<string, string>) =>
    painter({ stdout: output(isTerminal), env })("red", "x");
  assert.equal(paint(true, {}), "\u001b[31mx\u001b[39m");
  assert.equal(paint(true, { NO_COLOR: "" }), "\u001b[31mx\u001b[39m");
  assert.equal(paint(true, { NO_COLOR: "1" }), "x");
  assert.equal(paint(false, {}), "x");
});

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { parseSource } from "./source.ts";

describe("parseSource", () => {
  test("finds imports of every form, with the names as they were exported", () => {
    const { imports } = parseSource(
      "a.ts",
      `import { a, type B as C } from "./one.ts";
import type { D } from "./two.ts";
import d, { e } from "./three.ts";
import * as f from "./four.ts";
import "./five.ts";
export { g as h } from "./six.ts";
const i = await import("./seven.ts");
`,
    );
    const byFile = Object.fromEntries(imports.map(({ specifier, names }) => [specifier, names]));
    assert.deepEqual(byFile, {
      "./one.ts": ["a", "B"],
      "./two.ts": ["D"],
      "./three.ts": ["default", "e"],
      "./four.ts": "all",
      "./five.ts": [],
      "./six.ts": ["g"],
      "./seven.ts": "all",
    });
  });

  test("an import in a comment or a string is none", () => {
    const text = `// import { a } from "./a.ts";\nconst b = \`import { b } from "./b.ts";\`;\n`;
    assert.deepEqual(parseSource("a.ts", text).imports, []);
  });

  test("finds exports, and tells types from values", () => {
    const { exports } = parseSource(
      "a.ts",
      `export const a = 1;
export async function b() {}
export function* c() {}
export abstract class D {}
export interface E {}
export type F = string;
export { g as h, i };
export type { J } from "./j.ts";
const hidden = 1;
`,
    );
    assert.deepEqual(
      exports.map(({ name, isType, line }) => [name, isType, line]),
      [
        ["a", false, 1],
        ["b", false, 2],
        ["c", false, 3],
        ["D", false, 4],
        ["E", true, 5],
        ["F", true, 6],
        ["h", false, 7],
        ["i", false, 7],
        ["J", true, 8],
      ],
    );
  });
});

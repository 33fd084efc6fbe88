import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { checkDeadCode } from "./dead-code.ts";
import { parseSource } from "./source.ts";

describe("dead code", () => {
  test("an export that a source or a test imports is alive", () => {
    const files = {
      "main.ts": `import { a } from "./a.ts";`,
      "a.ts": "export const a = 1;\nexport const b = 2;\nexport const c = 3;",
      "a.test.ts": `import { b } from "./a.ts";`,
    };
    assert.deepEqual(check(files), ["a.ts:3 nothing imports c"]);
  });

  test("a file that nothing imports is dead, unless something names it in a string", () => {
    const files = {
      "main.ts": `new Worker(new URL("./thread.ts", import.meta.url));`,
      "thread.ts": "export const a = 1;",
      "forgotten.ts": "const a = 1;",
    };
    assert.deepEqual(check(files), ["forgotten.ts:1 nothing imports this file"]);
  });

  test("a namespace and a dynamic import reach every export", () => {
    const files = {
      "main.ts": `import * as a from "./a.ts"; const b = await import("./b.ts");`,
      "a.ts": "export const a = 1;",
      "b.ts": "export const b = 1;",
    };
    assert.deepEqual(check(files), []);
  });

  test("a re-export is an import of the file and an export of its own", () => {
    const files = {
      "main.ts": `import { a } from "./index.ts";`,
      "index.ts": `export { a, b } from "./a.ts";`,
      "a.ts": "export const a = 1;\nexport const b = 1;",
    };
    assert.deepEqual(check(files), ["index.ts:1 nothing imports b"]);
  });

  test("a type that its own file speaks of is alive", () => {
    const files = {
      "main.ts": `import { f } from "./a.ts";`,
      "a.ts": "export interface A {}\nexport interface B {}\nexport function f(a: A): void {}",
    };
    assert.deepEqual(check(files), ["a.ts:2 nothing imports B"]);
  });
});

function check(files: Readonly<Record<string, string>>): string[] {
  const sources = Object.entries(files).map(([path, text]) => parseSource(path, text));
  const findings = checkDeadCode(sources, new Map(), new Set(["main.ts"]));
  return findings.map(({ path, line, message }) => `${path}:${line} ${message}`);
}

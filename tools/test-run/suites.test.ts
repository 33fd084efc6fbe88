import assert from "node:assert/strict";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { after, before, describe, test } from "node:test";
import { findFiles, SUITES } from "./suites.ts";

describe("findFiles", () => {
  let root: string;

  before(async () => {
    root = await mkdtemp(join(tmpdir(), "hodei-suites-"));
    const paths = [
      "packages/a/src/x.test.ts",
      "packages/a/src/x.integration.test.ts",
      "packages/a/src/x-fixtures.test.ts",
      "packages/a/dist/x.test.ts",
      "packages/a/node_modules/b/x.test.ts",
      "tools/tidy/y.test.ts",
      "examples/examples.test.ts",
      "e2e/z.test.ts",
    ];
    for (const path of paths) {
      await mkdir(dirname(join(root, path)), { recursive: true });
      await writeFile(join(root, path), "");
    }
  });

  after(async () => {
    await rm(root, { recursive: true });
  });

  test("every test file is in one suite, and nothing else is in any", async () => {
    const found: Record<string, string[]> = {};
    for (const suite of SUITES) found[suite.name] = await findFiles(suite, root);
    assert.deepEqual(found, {
      unit: ["packages/a/src/x.test.ts"],
      tools: ["tools/tidy/y.test.ts"],
      integration: ["packages/a/src/x.integration.test.ts"],
      e2e: ["e2e/z.test.ts", "examples/examples.test.ts"],
    });
  });

  test("a part of a path narrows them", async () => {
    const found = await Promise.all(SUITES.map((suite) => findFiles(suite, root, "tidy")));
    assert.deepEqual(found.flat(), ["tools/tidy/y.test.ts"]);
  });
});

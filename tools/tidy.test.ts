import assert from "node:assert/strict";
import { before, describe, test } from "node:test";
import { findStale } from "./generate/generated-files.ts";
import { ROOT } from "./repository.ts";
import { checkDeadCode } from "./tidy/dead-code.ts";
import { checkDocuments } from "./tidy/documents.ts";
import { checkImportTable } from "./tidy/import-table.ts";
import { checkLength } from "./tidy/length.ts";
import { checkNames } from "./tidy/names.ts";
import { checkPlatform } from "./tidy/platform.ts";
import { checkPurity } from "./tidy/purity.ts";
import { type RepositoryFiles, readRepository } from "./tidy/repository-files.ts";
import type { Finding } from "./tidy/source.ts";

/** What the style guide asks and no linter checks. Each rule has its own test beside it. */
describe("the repository is tidy", () => {
  let files: RepositoryFiles;

  before(async () => {
    files = await readRepository(ROOT);
  });

  test("packages and layers import what the table allows", () => {
    assertNone(checkImportTable(files.sources, files.workspaces));
  });

  test("code that decides takes time and chance from ports", () => {
    assertNone(checkPurity(files.sources));
  });

  test("nothing rests on parts of the platform that fail", () => {
    assertNone(checkPlatform(files.sources));
  });

  test("every file and every export is used", () => {
    assertNone(checkDeadCode(files.sources, files.workspaces, files.entries));
  });

  test("names say what things are", () => {
    assertNone(checkNames(files.sources));
  });

  test("files are one thing", () => {
    assertNone(checkLength(files.sources));
  });

  test("documents name what exists", () => {
    assertNone(checkDocuments(files.documents, files.facts));
  });

  test("generated files are current", async () => {
    assert.deepEqual(await findStale(), [], "run `npm run generate`");
  });
});

function assertNone(findings: readonly Finding[]): void {
  const lines = findings.map(({ path, line, message }) => `${path}:${line} ${message}`);
  if (lines.length > 0) assert.fail(`${lines.length} findings:\n${lines.join("\n")}`);
}

import assert from "node:assert/strict";
import { chmodSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { suite, test } from "node:test";
import { temporaryFolder } from "@hodei/testkit";
import { requireProgram } from "./require-program.ts";

const folder = temporaryFolder();

function folderWith(name: string, mode: number): string {
  const path = join(folder, name);
  mkdirSync(path);
  writeFileSync(join(path, "tool"), "#!/bin/sh\n");
  chmodSync(join(path, "tool"), mode);
  return path;
}

suite("a program in the folders of PATH", () => {
  const executable = folderWith("executable", 0o755);
  const plain = folderWith("plain", 0o644);
  const missing = join(folder, "missing");
  const require = (...folders: string[]) =>
    requireProgram({ file: "tool", cwd: "/", env: { PATH: folders.join(":") } });

  test("is the first that may be executed", () => require(missing, plain, executable));

  test("that may not be executed is refused", () =>
    assert.rejects(require(plain, missing), { code: "EACCES" }));

  test("is missing if no folder has it", () =>
    assert.rejects(require(missing, folder), { code: "ENOENT" }));

  test("is looked for again once its file has changed", async () => {
    const first = folderWith("first", 0o755);
    const later = folderWith("later", 0o755);
    await require(first, later);
    await require(first, later);
    chmodSync(join(first, "tool"), 0o644);
    await require(first, later);
    rmSync(join(later, "tool"));
    await assert.rejects(require(first, later), { code: "EACCES" });
    rmSync(join(first, "tool"));
    await assert.rejects(require(first, later), { code: "ENOENT" });
  });
});

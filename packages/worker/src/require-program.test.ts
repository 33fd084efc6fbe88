import assert from "node:assert/strict";
import { chmodSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, suite, test } from "node:test";
import { temporaryFolder } from "@hodei/testkit";
import { withoutRights } from "../test/without-rights.ts";
import { requireProgram } from "./require-program.ts";

const folder = temporaryFolder();
const launch = (file: string, ...folders: string[]) => ({
  file,
  cwd: "/",
  env: { PATH: folders.join(":") },
});

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
  const closed = folderWith("closed", 0o755);
  chmodSync(closed, 0o000);
  // Or only root could remove it.
  after(() => chmodSync(closed, 0o700));

  test("is the first that may be executed", () =>
    requireProgram(launch("tool", "/no/such/folder", plain, executable)));

  test("that may not be executed is refused", () =>
    assert.rejects(requireProgram(launch("tool", plain, "/no/such/folder")), { code: "EACCES" }));

  test("is missing if no folder has it, closed folders or not", () =>
    withoutRights(async () => {
      const missing = { code: "ENOENT" };
      await assert.rejects(requireProgram(launch("tool", "/no/such/folder")), missing);
      await assert.rejects(requireProgram(launch("no-such-tool", closed, plain)), missing);
      await assert.rejects(requireProgram(launch("tool", closed)), missing);
      await requireProgram(launch("tool", closed, executable));
    }));

  test("is refused where it is named with a closed folder", () =>
    withoutRights(() =>
      assert.rejects(requireProgram(launch(join(closed, "tool"))), { code: "EACCES" }),
    ));
});

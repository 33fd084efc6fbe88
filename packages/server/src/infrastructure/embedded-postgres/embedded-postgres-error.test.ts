import assert from "node:assert/strict";
import { test } from "node:test";
import { PlatformError } from "@hodei/domain";
import { fromFileError, programFailure } from "./embedded-postgres-error.ts";

function systemError(code: string): Error {
  return Object.assign(new Error(`${code}: told so, mkdir '/data'`), { code, syscall: "mkdir" });
}

test("what the disk refuses is told by its cause", () => {
  const reasons = {
    ENOSPC: "disk_full",
    EDQUOT: "disk_full",
    EACCES: "data_dir_not_writable",
    EROFS: "data_dir_not_writable",
    ENOTDIR: "data_dir_not_writable",
    EIO: "start_failed",
  };
  for (const [code, reason] of Object.entries(reasons)) {
    const error = fromFileError(systemError(code), "/data");
    assert.ok(error instanceof PlatformError);
    assert.equal(error.reason, reason);
    assert.match(error.message, /\/data/);
  }
});

test("a bug is not taken for a fault of the data folder", () => {
  const bug = new TypeError("undefined is not a function");
  assert.equal(fromFileError(bug, "/data"), bug);
});

test("a program that found the disk full says so, and any other failure shows its last lines", () => {
  const full = "FATAL:  could not write lock file: No space left on device";
  assert.equal(programFailure("PostgreSQL did not start", full).reason, "disk_full");
  const other = programFailure("PostgreSQL did not start", "FATAL:  no memory");
  assert.equal(other.reason, "start_failed");
  assert.match(other.message, /FATAL: {2}no memory/);
});

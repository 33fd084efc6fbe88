import assert from "node:assert/strict";
import { closeSync, readSync, writeSync } from "node:fs";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { type Pipe, PipePool } from "./pipe-pool.ts";

let folder: string;
before(async () => {
  folder = await mkdtemp(join(tmpdir(), "hodei-worker-test-"));
});
after(() => rm(folder, { recursive: true, force: true }));

/** Bytes go through, and the reader sees the end once the writer has closed. */
function checkPipe({ readFd, writeFd }: Pipe): void {
  const buffer = Buffer.alloc(10);
  writeSync(writeFd, "abc");
  assert.equal(readSync(readFd, buffer), 3);
  closeSync(writeFd);
  assert.equal(readSync(readFd, buffer), 0);
  closeSync(readFd);
}

test("more pipes can be taken than are made at once, and a taken one has no name", async () => {
  const path = join(folder, "pipes");
  const pool = new PipePool(path);
  await pool.start();
  const made = (await readdir(path)).length;
  const first = await pool.take();
  assert.equal((await readdir(path)).length, made - 2);
  const rest = await Promise.all(Array.from({ length: 100 }, () => pool.take()));
  for (const { stdout, stderr } of [first, ...rest]) {
    checkPipe(stdout);
    checkPipe(stderr);
  }
});

test("where no pipes can be made, the start says so", async () => {
  const pool = new PipePool(join(folder, "no", "pipes"));
  await assert.rejects(pool.start(), { code: "failed_precondition", reason: "no_pipes" });
});

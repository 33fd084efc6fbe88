import assert from "node:assert/strict";
import { appendFile, mkdtemp, rm, stat, truncate } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { logFileIn } from "./log-file.ts";

let home: string;
before(async () => {
  home = await mkdtemp(join(tmpdir(), "hodei-log-"));
});
after(() => rm(home, { recursive: true, force: true }));

test("at its bound the log moves aside, and whoever has it open goes on writing", async () => {
  const log = logFileIn(home, null);
  const writer = await log.openForAppend();
  await writer.write("first\n");
  await log.rotateIfLarge();
  assert.equal(await log.sizeBytes(), 6, "a small log stays");

  await truncate(join(home, "postgres.log"), 16 * 1024 * 1024);
  await log.rotateIfLarge();
  assert.equal(await log.sizeBytes(), 0);
  assert.equal((await stat(join(home, "postgres.log.1"))).size, 16 * 1024 * 1024);

  await writer.write("second\n");
  await writer.close();
  assert.equal(await log.readTail(0), "second");
});

test("the tail starts at the given offset and is only the last lines", async () => {
  const log = logFileIn(home, null);
  await appendFile(join(home, "postgres.log"), "old\n");
  const offset = await log.sizeBytes();
  const lines = Array.from({ length: 2_000 }, (_, index) => `line ${index}`);
  await appendFile(join(home, "postgres.log"), `${lines.join("\n")}\n`);
  assert.equal(await log.readTail(offset), lines.slice(-12).join("\n"));
  await appendFile(join(home, "postgres.log"), "newest\n");
  assert.equal(await log.readTail((await log.sizeBytes()) - 7), "newest");
});

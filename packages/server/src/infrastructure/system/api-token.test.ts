import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { mkdtemp, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { openApiToken } from "./api-token.ts";

async function inFolder(work: (file: string) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), "hodei-token-"));
  try {
    await work(join(folder, "api-token"));
  } finally {
    await rm(folder, { recursive: true });
  }
}

test("a token is made once, readable by its owner only, and the same for all who open it at once", () =>
  inFolder(async (file) => {
    const opened = await Promise.all([openApiToken(file), openApiToken(file), openApiToken(file)]);
    const token = (await readFile(file, "utf8")).trim();
    const hash = createHash("sha256").update(token).digest("hex");
    assert.deepEqual(opened, [{ hash }, { hash }, { hash }]);
    assert.equal(token.length, 43);
    assert.equal((await stat(file)).mode & 0o777, 0o600);
  }));

test("a file without a usable token, and a folder that is not there, are refused", () =>
  inFolder(async (file) => {
    await assert.rejects(openApiToken(join(file, "deeper")), { reason: "api_token_unusable" });
    await writeFile(file, "short\n");
    await assert.rejects(openApiToken(file), { reason: "api_token_unusable" });
  }));

import assert from "node:assert/strict";
import { chmod, mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { openMasterKeyFile } from "./master-key-file.ts";

async function folder(context: TestContext): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), "hodei-key-"));
  context.after(() => rm(path, { recursive: true }));
  return path;
}

const DATA_KEY = Buffer.alloc(32, 7);
const CONTEXT = Buffer.from("context");

test("the key is made once, for its owner only, and is the same ever after", async (context) => {
  const dir = await folder(context);
  const file = join(dir, "secret-key");
  const keys = await Promise.all(Array.from({ length: 5 }, () => openMasterKeyFile(file, false)));
  const { mode } = await stat(file);
  assert.equal((mode & 0o777).toString(8), "600");
  assert.deepEqual(await readdir(dir), ["secret-key"]);
  assert.equal(Buffer.from(await readFile(file, "utf8"), "base64").length, 32);
  const wrapped = await keys[0]?.wrap(DATA_KEY, CONTEXT);
  assert.ok(wrapped);
  for (const key of [...keys, await openMasterKeyFile(file, true)]) {
    assert.deepEqual(await key.unwrap(wrapped, CONTEXT), DATA_KEY);
  }
});

test("a key that others may read or write is refused, and says how to close it", async (context) => {
  const file = join(await folder(context), "secret-key");
  await openMasterKeyFile(file, false);
  for (const mode of [0o640, 0o604, 0o620, 0o602, 0o644]) {
    await chmod(file, mode);
    await assert.rejects(openMasterKeyFile(file, true), {
      code: "failed_precondition",
      reason: "secret_key_permissions_too_open",
      message: new RegExp(`mode ${mode.toString(8)}\\); run: chmod 600`),
    });
  }
  await chmod(file, 0o400);
  await openMasterKeyFile(file, true);
});

test("a key that is in use and missing is not made anew", async (context) => {
  const dir = await folder(context);
  await assert.rejects(openMasterKeyFile(join(dir, "secret-key"), true), {
    code: "failed_precondition",
    reason: "secret_key_missing",
  });
  assert.deepEqual(await readdir(dir), []);
});

test("a file that holds something else is refused without showing it", async (context) => {
  const file = join(await folder(context), "secret-key");
  const texts = ["", "x", "AAAA\n", `${"A".repeat(43)}=\n\n`, "s3cr3t".repeat(1000)];
  for (const text of texts) {
    await writeFile(file, text, { mode: 0o600 });
    await assert.rejects(openMasterKeyFile(file, false), (error: Error & { reason?: string }) => {
      assert.equal(error.reason, "secret_key_unusable");
      assert.ok(!error.message.includes("s3cr3t"));
      return true;
    });
    assert.equal(await readFile(file, "utf8"), text);
  }
});

test("a folder that is not there is an error of the start", async (context) => {
  const file = join(await folder(context), "nowhere", "secret-key");
  await assert.rejects(openMasterKeyFile(file, false), { reason: "secret_key_unusable" });
});

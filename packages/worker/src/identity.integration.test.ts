import assert from "node:assert/strict";
import { mkdtemp, readdir, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, test } from "node:test";
import { findIdentity, saveIdentity } from "./identity.ts";

const identity = { workerId: "w", keyPem: "k", certificateChainPem: "c", rootPem: "r" };

let stateDir: string;
beforeEach(async () => {
  stateDir = await mkdtemp(join(tmpdir(), "hodei-worker-test-"));
});
afterEach(() => rm(stateDir, { recursive: true, force: true }));

test("it is found as it was saved, readable for its owner only, and nothing else is left", async () => {
  assert.equal(await findIdentity(stateDir), undefined);
  await saveIdentity(stateDir, { ...identity, workerId: "old" });
  await saveIdentity(stateDir, identity);
  assert.deepEqual(await findIdentity(stateDir), identity);
  assert.deepEqual(await readdir(stateDir), ["identity.json"]);
  assert.equal((await stat(join(stateDir, "identity.json"))).mode & 0o777, 0o600);
});

test("a damaged one is an error that says what to do", async () => {
  for (const text of ["", "{", '{"workerId":"w"}']) {
    await writeFile(join(stateDir, "identity.json"), text);
    await assert.rejects(findIdentity(stateDir), {
      code: "failed_precondition",
      reason: "unreadable_identity",
      message: /start with a new join token/,
    });
  }
});

test("a folder that is not there is an error", async () => {
  await assert.rejects(saveIdentity(join(stateDir, "no"), identity), {
    reason: "identity_not_saved",
  });
});

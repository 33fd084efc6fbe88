import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, beforeEach, test } from "node:test";
import { claimOwnership, type Ownership } from "./ownership.ts";

const CLAIM_AND_HOLD = `
  const [url, folder] = process.argv.slice(1);
  const { claimOwnership } = await import(url);
  setInterval(() => undefined, 1000); // a claim alone does not keep a process alive
  try {
    await claimOwnership(folder);
    process.stdout.write("owner");
  } catch (error) {
    process.stdout.write(error.reason ?? String(error));
  }
`;

let base: string;
let folder: string;
before(async () => {
  base = await mkdtemp(join(tmpdir(), "hodei-own-"));
});
beforeEach(async () => {
  folder = await mkdtemp(join(base, "f-"));
});
after(() => rm(base, { recursive: true, force: true }));

test("a second claim is refused and names the owner, until the first is released", async () => {
  const first = await claimOwnership(folder);
  await assert.rejects(claimOwnership(folder), {
    reason: "already_running",
    message: new RegExp(`process ${process.pid}`),
  });
  first.release();
  const second = await claimOwnership(folder);
  second.release();
  assert.deepEqual(await readdir(folder), []);
});

test("of many claims at once exactly one holds", async () => {
  for (let round = 0; round < 20; round++) {
    const claims = await Promise.allSettled(
      Array.from({ length: 8 }, () => claimOwnership(folder)),
    );
    const held = claims.filter((claim) => claim.status === "fulfilled");
    assert.equal(held.length, 1);
    held[0]?.value.release();
  }
});

test("of several processes at once exactly one holds, and its death frees the claim", async () => {
  const claimants = await Promise.all(Array.from({ length: 4 }, startClaimant));
  const owners = claimants.filter(({ answer }) => answer === "owner");
  assert.equal(owners.length, 1, claimants.map(({ answer }) => answer).join());
  await assert.rejects(claimOwnership(folder), { reason: "already_running" });

  await Promise.all(claimants.map(({ kill }) => kill()));
  const next: Ownership = await claimOwnership(folder);
  assert.equal((await readdir(folder)).length, 1, "what the dead owner left is cleared");
  next.release();
});

interface Claimant {
  readonly answer: string;
  kill(): Promise<void>;
}

async function startClaimant(): Promise<Claimant> {
  const flags = ["--conditions=@hodei/source", "--input-type=module", "--eval", CLAIM_AND_HOLD];
  const url = new URL("./ownership.ts", import.meta.url).href;
  const child = spawn(process.execPath, [...flags, url, folder], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const [chunk] = await once(child.stdout, "data");
  return {
    answer: String(chunk),
    async kill() {
      child.kill("SIGKILL");
      await once(child, "exit");
    },
  };
}

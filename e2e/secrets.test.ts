import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { chmod, readdir, readFile, rename, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { ExitReason, JobState, SecretForm } from "@hodei/proto/hodei/v1/job";
import { tailLogs, waitForJob } from "@hodei/sdk";
import { waitFor } from "@hodei/testkit";
import { ServerProcess } from "./server-process.ts";

/** With a quote and a line end, which every encoding treats in its own way, before the part that cannot be guessed. */
const VALUE = `s3cr3t'"\n${randomBytes(24).toString("base64url")}`;
const FORMS = ["utf8", "hex", "base64", "base64url"] as const;
/** That part in each encoding. Base64 works on three bytes at once, so it has three: one for each of them to start with. */
const NEEDLES = FORMS.flatMap((form) =>
  [0, 1, 2].map((skip) => Buffer.from(VALUE.slice(9 + skip, 30 + skip)).toString(form)),
).map((text) => Buffer.from(text));

let server: ServerProcess;
before(async () => {
  server = await ServerProcess.create(["--local-workers-min", "1", "--local-workers-max", "1"]);
  await server.start();
  await server.client.secrets.setSecret({ name: "TOKEN", value: Buffer.from(VALUE) });
});
after(() => server.dispose());

const hasSecret = (bytes: Buffer): boolean => NEEDLES.some((needle) => bytes.includes(needle));

async function submit(script: string, secrets = ALL): Promise<string> {
  const { job } = await server.client.jobs.createJob({
    spec: { work: { case: "script", value: { content: script } }, secrets },
  });
  assert.ok(job);
  return job.id;
}

const ALL = [{ name: "TOKEN" }, { name: "TOKEN", form: SecretForm.FILE }];

async function log(jobId: string): Promise<string> {
  const pieces: Uint8Array[] = [];
  for await (const { chunk } of tailLogs(server.client, { jobId, follow: false })) {
    pieces.push(chunk.data);
  }
  return Buffer.concat(pieces).toString("latin1");
}

/** Files below `folder` that hold the secret in any form. */
async function filesWithSecret(folder: string): Promise<string[]> {
  const found: string[] = [];
  for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath, entry.name);
    if (entry.isFile() && hasSecret(await readFile(path))) found.push(path);
  }
  return found;
}

/** Environment and arguments of every process that can be looked at and has the secret in them. */
async function processesWithSecret(): Promise<string[]> {
  const pids = (await readdir("/proc")).filter((name) => /^\d+$/.test(name));
  const found: string[] = [];
  for (const pid of pids) {
    for (const name of ["environ", "cmdline"]) {
      // It may have ended meanwhile, or be another user's.
      const bytes = await readFile(`/proc/${pid}/${name}`).catch(() => Buffer.alloc(0));
      if (hasSecret(bytes)) found.push(`${name} of ${bytes.toString("latin1")}`);
    }
  }
  return found;
}

test("a job uses its secrets, and nothing that is kept, logged or told has them", async () => {
  const id = await submit(`
    printf %s "$TOKEN" | cmp - "$TOKEN_FILE" && echo same
    echo "$TOKEN"; echo "$TOKEN" | base64 -w0 >&2; echo "x$TOKEN" | base64; echo "$TOKEN" | od -An -tx1 | tr -d ' \\n'
    for ((i = 0; i < \${#TOKEN}; i++)); do printf %s "\${TOKEN:i:1}"; done; echo
    echo "folder $HODEI_SECRETS_DIR"
    while ! test -e done; do sleep 0.1; done`);
  const folder = await waitFor(async () => /^folder (.+)$/m.exec(await log(id))?.[1], {
    timeoutMs: 60_000,
    what: "the job's last line",
  });
  const places = await processesWithSecret();
  assert.notDeepEqual(places, [], "who looks for the secret finds it");
  for (const place of places) {
    assert.match(place, /^environ of .*\0?HODEI_JOB_ID=/s, "only the job's own environment has it");
    assert.ok(place.includes(`HODEI_JOB_ID=${id}`));
  }
  assert.equal((await stat(join(folder, "TOKEN"))).mode & 0o777, 0o400);
  assert.deepEqual(await filesWithSecret(server.dataDir), []);
  await server.client.jobs.cancelJob({ jobId: id });
  const job = await waitForJob(server.client, id);
  assert.equal(job.state, JobState.CANCELLED);
  await assert.rejects(stat(folder), { code: "ENOENT" });
  const text = await log(id);
  assert.match(text, /^same$/m);
  assert.match(text, /\*\*\*/);
  const { events } = await server.client.events.listEvents({ pageSize: 1000 });
  const told = JSON.stringify([await server.client.jobs.getJob({ jobId: id }), events], bigints);
  for (const part of [text, told]) assert.ok(!hasSecret(Buffer.from(part, "latin1")));
  assert.ok(events.some(({ type, subjectId }) => type === "secret.set" && subjectId === "TOKEN"));
});

test("a job whose secret is not there ends without having run", async () => {
  const id = await submit("echo ran", [{ name: "MISSING" }]);
  const job = await waitForJob(server.client, id);
  assert.equal(job.outcome?.reason, ExitReason.SECRET_UNAVAILABLE);
  assert.match(job.outcome?.message ?? "", /MISSING/);
  assert.equal(await log(id), "");
});

test("no file of server, database or worker holds the secret", async () => {
  await server.kill("SIGTERM");
  assert.deepEqual(await filesWithSecret(server.dataDir), []);
  assert.ok(!hasSecret(Buffer.from(server.log)));
});

test("a master key that others can read, a wrong one and a missing one are refused", async () => {
  const file = join(server.dataDir, "secret-key");
  const kept = `${file}.kept`;
  assert.equal((await stat(file)).mode & 0o777, 0o600);
  await chmod(file, 0o640);
  await assert.rejects(
    server.start(),
    /secret-key is open to other users \(mode 640\); run: chmod/,
  );
  await rename(file, kept);
  await assert.rejects(server.start(), /there is no master key in .*secret-key/);
  await writeFile(file, `${randomBytes(32).toString("base64")}\n`, { mode: 0o600 });
  await assert.rejects(server.start(), /the master key is not the one under which/);
  await rm(file);
  await rename(kept, file);
  await chmod(file, 0o600);
  await server.start();
  const id = await submit('test "$TOKEN" = "$(cat "$TOKEN_FILE")"');
  assert.equal((await waitForJob(server.client, id)).state, JobState.SUCCEEDED);
});

const bigints = (_key: string, value: unknown): unknown =>
  typeof value === "bigint" ? `${value}` : value;

import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { ExitReason, type Job, JobState } from "@hodei/proto/hodei/v1/job";
import { WorkerState } from "@hodei/proto/hodei/v1/worker";
import { tailLogs, waitForJob } from "@hodei/sdk";
import { waitFor } from "@hodei/testkit";
import { ServerProcess } from "./server-process.ts";

const PATIENCE = { timeoutMs: 120_000, intervalMs: 100 };

let server: ServerProcess;
before(async () => {
  // Many small jobs at once, on a machine of any size.
  const settings = { HODEI_SERVER_LOCAL_WORKER_CPU_MILLIS: "50000" };
  const flags = ["--local-workers-min", "1", "--local-workers-max", "2"];
  server = await ServerProcess.create(flags, settings);
  await server.start();
});
after(() => server.dispose());

/** Ids of `count` jobs that are tried once. */
async function submitMany(count: number, script: string): Promise<readonly string[]> {
  const work = { case: "command" as const, value: { argv: ["bash", "-c", script] } };
  const jobs = Array.from({ length: count }, () => ({ spec: { work } }));
  return (await server.client.jobs.createJobs({ jobs })).jobIds;
}

async function logOf(jobId: string): Promise<string> {
  const pieces: Uint8Array[] = [];
  for await (const { chunk } of tailLogs(server.client, { jobId, follow: false })) {
    pieces.push(chunk.data);
  }
  return Buffer.concat(pieces).toString();
}

async function countRunning(): Promise<number> {
  const filter = { states: [JobState.RUNNING] };
  return (await server.client.jobs.listJobs({ filter, pageSize: 1000 })).jobs.length;
}

async function liveWorkers(): Promise<readonly string[]> {
  const states = [WorkerState.READY, WorkerState.BUSY, WorkerState.DRAINING];
  return (await server.client.workers.listWorkers({ states })).workers.map(({ id }) => id);
}

/** Reasons for which `jobs` have ended, each once. */
const endsOf = (jobs: readonly Job[]) => [...new Set(jobs.map(({ outcome }) => outcome?.reason))];

test("fifty jobs that run go on while their server is restarted", async () => {
  const flag = join(server.dataDir, "..", "restarted");
  const ids = await submitMany(50, `until [ -e ${flag} ]; do sleep 0.2; done; echo done`);
  await waitFor(async () => (await countRunning()) === ids.length, PATIENCE);
  await server.kill("SIGTERM");
  await server.start();
  await writeFile(flag, "");
  const jobs = await Promise.all(ids.map((id) => waitForJob(server.client, id)));
  assert.deepEqual(endsOf(jobs), [ExitReason.COMPLETED]);
  assert.ok(jobs.every(({ attempt }) => attempt === 1));
});

test("two hundred jobs end well while each worker that runs them is replaced in turn", async () => {
  const before = await waitFor(async () => {
    const found = await liveWorkers();
    return found.length > 0 ? found : undefined;
  }, PATIENCE);
  const ids = await submitMany(200, 'echo "$HODEI_JOB_ID"; sleep 0.3');
  await waitFor(async () => (await countRunning()) > 0, PATIENCE);
  for (const id of before) await server.client.workers.drainWorker({ workerId: id });
  const jobs = await Promise.all(ids.map((id) => waitForJob(server.client, id)));
  // What a leaving worker refuses is tried again without having run.
  assert.deepEqual(endsOf(jobs), [ExitReason.COMPLETED]);
  for (const id of [ids[0], ids[99], ids[199]]) {
    assert.equal(await logOf(id ?? ""), `${id}\n`);
  }
  await waitFor(async () => {
    const now = await liveWorkers();
    return before.every((id) => !now.includes(id));
  }, PATIENCE);
});

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { readdir, readFile } from "node:fs/promises";
import { after, before, test } from "node:test";
import { ExitReason, type Job, JobState } from "@hodei/proto/hodei/v1/job";
import { WorkerState } from "@hodei/proto/hodei/v1/worker";
import { type HodeiClient, tailLogs, waitForJob } from "@hodei/sdk";
import { waitFor } from "@hodei/testkit";
import { ServerProcess } from "./server-process.ts";

let server: ServerProcess;

before(async () => {
  server = await ServerProcess.create(["--local-workers-min", "1", "--local-workers-max", "1"]);
  await server.start();
});

after(() => server.dispose());

async function submit({ jobs }: HodeiClient, script: string, maxAttempts = 1): Promise<Job> {
  const { job } = await jobs.createJob({
    spec: {
      work: { case: "command", value: { argv: ["bash", "-c", script] } },
      retryPolicy: { maxAttempts, baseDelay: { nanos: 1_000_000 } },
    },
  });
  assert.ok(job);
  return job;
}

const reload = async (id: string) => server.client.jobs.getJob({ jobId: id });

const untilRunning = (id: string, attempt = 1) =>
  waitFor(
    async () => {
      const { job } = await reload(id);
      return job?.state === JobState.RUNNING && job.attempt === attempt ? job : undefined;
    },
    { timeoutMs: 30_000, what: `attempt ${attempt} running` },
  );

/** Process id of the one local worker that lives. */
async function workerPid(): Promise<number> {
  const folder = `${server.dataDir}/workers`;
  const states = [WorkerState.READY, WorkerState.BUSY];
  const { workers } = await server.client.workers.listWorkers({ states });
  const live = new Set(workers.map(({ id }) => id));
  const [id] = (await readdir(folder)).filter((name) => live.has(name));
  const machine = JSON.parse(await readFile(`${folder}/${id}/machine.json`, "utf8"));
  return (machine as { readonly pid: number }).pid;
}

async function logText(jobId: string): Promise<string> {
  const decoder = new TextDecoder();
  let text = "";
  for await (const { chunk } of tailLogs(server.client, { jobId, follow: false })) {
    text += decoder.decode(chunk.data, { stream: true });
  }
  return text;
}

test("a job whose worker is killed ends as worker_lost when its policy allows one attempt", async () => {
  const { id } = await submit(server.client, "echo here; exec sleep 30");
  await untilRunning(id);
  process.kill(await workerPid(), "SIGKILL");
  const job = await waitForJob(server.client, id);
  assert.equal(job.state, JobState.FAILED);
  assert.equal(job.outcome?.reason, ExitReason.WORKER_LOST);
});

test("a job whose worker is killed runs again on another when its policy allows it", async () => {
  const { id } = await submit(server.client, "exec sleep $((HODEI_ATTEMPT == 1 ? 30 : 0))", 2);
  await untilRunning(id);
  process.kill(await workerPid(), "SIGKILL");
  const job = await waitForJob(server.client, id);
  assert.equal(job.state, JobState.SUCCEEDED);
  assert.equal(job.attempt, 2);
});

test("a job runs on while its server is killed and started again; its result and its log are whole", async () => {
  const script = 'for i in $(seq 1 4000); do echo "line $i"; done; sleep 2; seq 1 20000; exit 3';
  const { id } = await submit(server.client, script);
  await untilRunning(id);
  await waitFor(async () => (await logText(id)).length > 0, { timeoutMs: 10_000 });
  await server.kill("SIGKILL");
  await server.start();
  const job = await waitForJob(server.client, id);
  assert.equal(job.state, JobState.FAILED);
  assert.equal(job.outcome?.exitCode, 3);
  assert.equal(job.attempt, 1, "the attempt that was under way went on");
  const lines = Array.from({ length: 4_000 }, (_, index) => `line ${index + 1}\n`);
  const numbers = Array.from({ length: 20_000 }, (_, index) => `${index + 1}\n`);
  const expected = [...lines, ...numbers].join("");
  assert.equal(sha256(await logText(id)), sha256(expected));
});

test("a job that was answered is there after the server was killed at once", async () => {
  const { id } = await submit(server.client, "echo kept");
  await server.kill("SIGKILL");
  await server.start();
  const job = await waitForJob(server.client, id);
  assert.equal(job.state, JobState.SUCCEEDED);
  assert.equal(await logText(id), "kept\n");
});

test("an orderly stop leaves jobs alone, too", async () => {
  const { id } = await submit(server.client, "sleep 2; echo done");
  await untilRunning(id);
  await server.kill("SIGTERM");
  await server.start();
  const job = await waitForJob(server.client, id);
  assert.equal(job.state, JobState.SUCCEEDED);
  assert.equal(job.attempt, 1);
  assert.equal(await logText(id), "done\n");
});

function sha256(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}

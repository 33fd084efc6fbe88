import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { mkdirSync, readdirSync, readFileSync, rmdirSync, writeFileSync } from "node:fs";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { ExitReason, type Job, JobState } from "@hodei/proto/hodei/v1/job";
import { WorkerState } from "@hodei/proto/hodei/v1/worker";
import { tailLogs, waitForJob } from "@hodei/sdk";
import { waitFor } from "@hodei/testkit";
import { ServerProcess } from "./server-process.ts";

/** A worker is given up after three seconds of silence and one of grace. */
const TIMES = {
  HODEI_SERVER_WORKER_HEARTBEAT_MS: "500",
  HODEI_SERVER_WORKER_SILENCE_MS: "3000",
  HODEI_SERVER_WORKER_GRACE_MS: "1000",
};
const PATIENCE = { timeoutMs: 60_000, intervalMs: 50 };

let server: ServerProcess;
before(async () => {
  server = await ServerProcess.create(
    ["--local-workers-min", "1", "--local-workers-max", "2"],
    TIMES,
  );
  await server.start();
});
after(() => server.dispose());

async function submit(script: string, maxAttempts = 1): Promise<string> {
  const { job } = await server.client.jobs.createJob({
    spec: {
      work: { case: "command", value: { argv: ["bash", "-c", script] } },
      retryPolicy: { maxAttempts, baseDelay: { nanos: 1_000_000 } },
      timeouts: { grace: { nanos: 100_000_000 } },
    },
  });
  assert.ok(job);
  return job.id;
}

const find = async (id: string): Promise<Job | undefined> =>
  (await server.client.jobs.getJob({ jobId: id })).job;

const untilRunning = (id: string, attempt = 1): Promise<Job> =>
  waitFor(async () => {
    const job = await find(id);
    return job?.state === JobState.RUNNING && job.attempt === attempt ? job : undefined;
  }, PATIENCE);

/** Of its last attempt. */
async function workerOf(id: string): Promise<string> {
  const { attempts } = await server.client.jobs.getJob({ jobId: id });
  return attempts.at(-1)?.workerId ?? "";
}

async function logOf(jobId: string): Promise<Buffer> {
  const pieces: Uint8Array[] = [];
  for await (const { chunk } of tailLogs(server.client, { jobId, follow: false })) {
    pieces.push(chunk.data);
  }
  return Buffer.concat(pieces);
}

/** Ids and process numbers of the local workers that have a session. */
async function workers(): Promise<{ id: string; pid: number }[]> {
  const states = [WorkerState.READY, WorkerState.BUSY, WorkerState.DRAINING];
  const { workers: live } = await server.client.workers.listWorkers({ states });
  const folder = join(server.dataDir, "workers");
  const names = new Set(await readdir(folder).catch(() => [])); // Made with the first worker.
  return Promise.all(
    live
      .filter(({ id }) => names.has(id))
      .map(async ({ id }) => {
        const machine = await readFile(join(folder, id, "machine.json"), "utf8");
        return { id, pid: (JSON.parse(machine) as { readonly pid: number }).pid };
      }),
  );
}

/** Processes that have `text` in their command line. */
function pidsWith(text: string): number[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid)
    .filter((name) => {
      try {
        return readFileSync(`/proc/${name}/cmdline`, "latin1").includes(text);
      } catch {
        return false; // It has just ended.
      }
    })
    .map(Number);
}

test("a worker that was stopped is lost; when it wakes, its late result is refused and its processes are ended", async () => {
  const [sleeper] = await waitFor(async () => {
    const found = await workers();
    return found.length > 0 ? found : undefined;
  }, PATIENCE);
  assert.ok(sleeper);
  const mark = `31536.${process.pid}`;
  // The first attempt ends only when told by a signal; the second at once.
  const script = `echo attempt $HODEI_ATTEMPT; [ $HODEI_ATTEMPT = 2 ] || { setsid nohup sleep ${mark} >/dev/null 2>&1 & wait; }`;
  const id = await submit(script, 2);
  await untilRunning(id);
  await waitFor(() => pidsWith(mark).length > 0, PATIENCE);
  process.kill(sleeper.pid, "SIGSTOP");
  let job: Job;
  try {
    job = await waitForJob(server.client, id);
    assert.ok(pidsWith(mark).length > 0, "nobody else has ended them");
  } finally {
    process.kill(sleeper.pid, "SIGCONT");
  }
  assert.equal(job.state, JobState.SUCCEEDED);
  assert.equal(job.attempt, 2);
  await waitFor(() => pidsWith(mark).length === 0, PATIENCE);
  const settled = await find(id);
  assert.equal(settled?.state, JobState.SUCCEEDED);
  assert.equal(settled?.version, job.version, "what the late worker says changes nothing");
  assert.match((await logOf(id)).toString(), /^attempt 2$/m);
});

test("a job floods its log while the server is killed; not a byte is missing", async () => {
  const id = await submit("seq 1 400000; sleep 0.2; seq 400001 600000");
  await waitFor(async () => (await logOf(id)).length > 100_000, PATIENCE);
  await server.kill("SIGKILL");
  await server.start();
  const job = await waitForJob(server.client, id);
  assert.equal(job.state, JobState.SUCCEEDED);
  assert.equal(job.attempt, 1);
  const hash = createHash("sha256");
  for (let number = 1; number <= 600_000; number += 1) hash.update(`${number}\n`);
  assert.equal(
    createHash("sha256")
      .update(await logOf(id))
      .digest("hex"),
    hash.digest("hex"),
  );
});

test("a process that nothing ends is told as unkillable, and its worker takes nothing new and leaves", async (context) => {
  const freezer = openFreezer();
  if (freezer === undefined) {
    context.skip("run as root, where the freezer of control groups (version 1) is mounted");
    return;
  }
  const mark = `27182.${process.pid}`;
  const id = await submit(`exec sleep ${mark}`);
  await untilRunning(id);
  const workerId = await workerOf(id);
  const [pid = 0] = await waitFor(() => {
    const pids = pidsWith(mark);
    return pids.length > 0 ? pids : undefined;
  }, PATIENCE);
  try {
    await freezer.freeze(pid);
    await server.client.jobs.cancelJob({ jobId: id });
    const job = await waitForJob(server.client, id);
    assert.equal(job.outcome?.reason, ExitReason.UNKILLABLE);
    await waitFor(
      async () => (await workers()).every((worker) => worker.id !== workerId),
      PATIENCE,
    );
    const next = await waitForJob(server.client, await submit("echo elsewhere"));
    assert.equal(next.state, JobState.SUCCEEDED);
    assert.notEqual(await workerOf(next.id), workerId);
  } finally {
    freezer.thaw();
    await waitFor(() => pidsWith(mark).length === 0, PATIENCE);
    freezer.close();
  }
});

/** A group of the freezer, version 1: what is frozen does not even end by SIGKILL, like a process that waits for a disk. */
function openFreezer() {
  const own = /^\d+:freezer:(.*)$/m.exec(readFileSync("/proc/self/cgroup", "utf8"))?.[1];
  const path = `/sys/fs/cgroup/freezer${own === "/" ? "" : own}/hodei-e2e-${process.pid}`;
  try {
    if (own === undefined) return undefined;
    mkdirSync(path);
  } catch {
    return undefined;
  }
  const state = join(path, "freezer.state");
  return {
    async freeze(pid: number): Promise<void> {
      writeFileSync(join(path, "cgroup.procs"), `${pid}`);
      writeFileSync(state, "FROZEN");
      await waitFor(() => readFileSync(state, "utf8") === "FROZEN\n");
    },
    thaw: () => writeFileSync(state, "THAWED"),
    close: () => rmdirSync(path),
  };
}

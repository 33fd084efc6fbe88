import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { after, before, test } from "node:test";
import { AttemptState, ExitReason, type Job, JobState } from "@hodei/proto/hodei/v1/job";
import { waitForJob } from "@hodei/sdk";
import { waitFor } from "@hodei/testkit";
import { ServerProcess } from "./server-process.ts";

const PATIENCE = { timeoutMs: 60_000, intervalMs: 50 };
const GRACE_SECONDS = 1n;

let server: ServerProcess;
before(async () => {
  server = await ServerProcess.create(["--local-workers-min", "1", "--local-workers-max", "1"]);
  await server.start();
});
after(() => server.dispose());

async function submit(
  script: string,
  parts: { readonly priority?: number; readonly preemptible?: boolean },
): Promise<string> {
  const { workers } = await server.client.workers.listWorkers({});
  const { job } = await server.client.jobs.createJob({
    spec: {
      work: { case: "command", value: { argv: ["bash", "-c", script] } },
      // All that the only worker has.
      resources: { cpuMillis: workers[0]?.capacity?.cpuMillis ?? 0 },
      timeouts: { grace: { seconds: GRACE_SECONDS } },
      ...parts,
    },
  });
  assert.ok(job);
  return job.id;
}

const untilRunning = (id: string, attempt: number): Promise<Job> =>
  waitFor(async () => {
    const { job } = await server.client.jobs.getJob({ jobId: id });
    return job?.state === JobState.RUNNING && job.attempt === attempt ? job : undefined;
  }, PATIENCE);

const explain = async (jobId: string): Promise<string> =>
  (await server.client.jobs.explainJob({ jobId })).summary;

/** Processes of this machine that have the word among their arguments, apart from zombies, which have none. */
const processesWith = (word: string): readonly string[] =>
  readdirSync("/proc").filter((name) => {
    if (!/^\d+$/.test(name)) return false;
    try {
      return readFileSync(`/proc/${name}/cmdline`, "utf8").includes(word);
    } catch {
      return false; // It has ended meanwhile.
    }
  });

test("a job that gives up its place ends with all its processes, and runs again when the other has ended", async () => {
  await waitFor(async () => {
    const { workers } = await server.client.workers.listWorkers({});
    return workers.some(({ capacity }) => capacity !== undefined);
  }, PATIENCE);
  const mark = `preempted-${process.pid}`;
  // It minds no SIGTERM, and has a child in a session of its own. Its second attempt ends well.
  const stubborn = `
    if [ "$HODEI_ATTEMPT" = 2 ]; then exit 0; fi
    trap '' TERM
    setsid bash -c 'trap "" TERM; while :; do sleep 0.2; done' ${mark} &
    while :; do sleep 0.2; done; : ${mark}`;
  const low = await submit(stubborn, { preemptible: true });
  await untilRunning(low, 1);
  await waitFor(() => processesWith(mark).length >= 2, PATIENCE);
  const urgent = await submit("sleep 3", { priority: 50 });
  const told = await waitFor(async () => {
    const summary = await explain(urgent);
    return summary.includes("giving up") ? summary : undefined;
  }, PATIENCE);
  assert.match(told, /^Waits: it waits for room that 1 preempted job is giving up on worker /);

  await untilRunning(urgent, 1);
  assert.deepEqual(processesWith(mark), []);
  assert.match(await explain(low), new RegExp(`^Waits: it gave up its place to job ${urgent}`));
  const ended = await waitForJob(server.client, urgent);
  assert.equal(ended.outcome?.reason, ExitReason.COMPLETED);
  const again = await waitForJob(server.client, low);
  assert.equal(again.state, JobState.SUCCEEDED);
  const { job, attempts, spec } = await server.client.jobs.getJob({ jobId: low });
  assert.equal(spec?.retryPolicy?.maxAttempts, 1, "it had no retries");
  assert.equal(job?.preemptionCount, 1);
  assert.deepEqual(
    attempts.map(({ state, outcome, processesLeft }) => [state, outcome?.reason, processesLeft]),
    [
      [AttemptState.CANCELLED, ExitReason.PREEMPTED, 0],
      [AttemptState.SUCCEEDED, ExitReason.COMPLETED, 0],
    ],
  );
});

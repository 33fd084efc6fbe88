import { spawn } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { availableParallelism, tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { setTimeout as delay } from "node:timers/promises";
import { JobState } from "@hodei/proto/hodei/v1/job";
import { type HodeiClient, timestampDate } from "@hodei/sdk";
import type { Round } from "../result.ts";
import type { Row } from "../row.ts";
import { withStack } from "../stack.ts";

const SCRIPT = "echo done\n";
const ROUND_COUNT = 3;
/** What a round of Hodei takes, about: the warm-up tells how many jobs that is. */
const ROUND_MS = 6_000;
/** Most that one page of the list of jobs holds. */
const ROUND_JOBS_MAX = 1_000;
/** Scripts of a round of the baseline. */
const BARE_COUNT = 600;
/** Server and worker are two to four times slower until their hot code is compiled. */
const WARM_UP_MS = 8_000;
const WARM_UP_JOB_COUNT = 50;
/** How often to ask whether all jobs have ended; the end itself is read from the jobs. */
const LOOK_INTERVAL_MS = 100;

/** Throughput of the main job, with everything that it takes on one machine. */
export const shortJobs: Row = {
  name: "short-jobs",
  about:
    "short bash jobs per second, client, server, PostgreSQL and worker on this machine; against xargs -P",
  figures: [{ name: "short-jobs", unit: "jobs/s", target: { kind: "ratio_at_least", limit: 0.6 } }],
  measure: (signal) =>
    // One worker has the whole machine: it runs as many jobs at once as there are cores.
    withStack({ workerCount: 1, signal }, async (stack) => {
      const client = stack.connect();
      const expectedCount = ((await warmUp(client, signal)) * ROUND_MS) / 1_000;
      const jobCount = Math.min(ROUND_JOBS_MAX, Math.ceil(expectedCount));
      const rounds: Round[] = [];
      while (rounds.length < ROUND_COUNT) {
        const baseline = await runBare(signal);
        rounds.push({ value: await submitAll(client, jobCount, signal), baseline });
      }
      return [rounds];
    }),
};

/** Runs jobs until the code is hot; resolves to how many a second there were at last. */
async function warmUp(client: HodeiClient, signal: AbortSignal): Promise<number> {
  const untilMs = performance.now() + WARM_UP_MS;
  for (;;) {
    const jobsPerSecond = await submitAll(client, WARM_UP_JOB_COUNT, signal);
    if (performance.now() >= untilMs) return jobsPerSecond;
  }
}

/** Jobs per second from the call that submits `count` of them to the end of the last. */
async function submitAll(client: HodeiClient, count: number, signal: AbortSignal): Promise<number> {
  const spec = { work: { case: "script", value: { content: SCRIPT } } } as const;
  const calledAtMs = Date.now();
  await client.jobs.createJobs({ jobs: Array.from({ length: count }, () => ({ spec })) });
  const states = [JobState.PENDING, JobState.ASSIGNED, JobState.RUNNING];
  for (;;) {
    const unfinished = await client.jobs.listJobs({ filter: { states }, pageSize: 1 });
    if (unfinished.jobs.length === 0) break;
    await delay(LOOK_INTERVAL_MS, undefined, { signal });
  }
  const { jobs } = await client.jobs.listJobs({ pageSize: count });
  const endsMs = jobs.map(({ id, state, outcome, finishedAt }) => {
    if (state === JobState.SUCCEEDED && finishedAt) return timestampDate(finishedAt).getTime();
    throw new Error(`job ${id}: ${outcome?.message}`);
  });
  return (count / (Math.max(...endsMs) - calledAtMs)) * 1_000;
}

/** Jobs per second of xargs with the same commands, a script file each, as many at once as there are cores. */
async function runBare(signal: AbortSignal): Promise<number> {
  const folder = await mkdtemp(join(tmpdir(), "hodei-bench-scripts-"));
  try {
    const paths = Array.from({ length: BARE_COUNT }, (_, index) => join(folder, String(index)));
    for (const path of paths) await writeFile(path, SCRIPT);
    const startedAtMs = performance.now();
    const flags = ["-P", String(availableParallelism()), "-n", "1", "bash", "-euo", "pipefail"];
    const xargs = spawn("xargs", flags, { stdio: ["pipe", "pipe", "inherit"], signal });
    xargs.stdin.end(paths.join("\n"));
    const output = await text(xargs.stdout);
    const elapsedMs = performance.now() - startedAtMs;
    if (output !== "done\n".repeat(BARE_COUNT)) throw new Error("xargs did not run every script");
    return (BARE_COUNT / elapsedMs) * 1_000;
  } finally {
    await rm(folder, { recursive: true });
  }
}

import { spawn } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { setTimeout as delay } from "node:timers/promises";
import { JobState } from "@hodei/proto/hodei/v1/job";
import { type HodeiClient, runJob } from "@hodei/sdk";
import type { Round } from "../result.ts";
import type { Row } from "../row.ts";
import { withStack } from "../stack.ts";
import { percentile } from "../statistics.ts";

/** The first thing that the process does is to write what the clock says: seconds with six decimals (bash ≥ 5). */
const SCRIPT = 'echo "$EPOCHREALTIME"\n';
const ROUND_COUNT = 5;
const SAMPLE_COUNT = 100;
/** Server, worker and client are two to four times slower until their hot code is compiled. */
const WARM_UP_MS = 8_000;
/** Longest pause before a sample; random, so that samples do not fall into step with the server's timers. */
const PAUSE_MAX_MS = 20;
/** The wall clock was set if it differs by more than this from what it was at the start plus the time that passed. */
const CLOCK_STEP_MS = 5;

type Measure = () => Promise<number>;

/** Latency of the main job: from the call until the job's process has started. */
export const submitStart: Row = {
  name: "submit-start",
  about: "submit → process started, warm worker, idle system; against spawn of the same script",
  figures: [
    { name: "submit-start-p50", unit: "ms", target: { kind: "added_at_most", limit: 10 } },
    { name: "submit-start-p99", unit: "ms", target: { kind: "added_at_most", limit: 50 } },
  ],
  measure: (signal) =>
    withStack({ workerCount: 1, signal }, async (stack) => {
      const client = stack.connect();
      const folder = await mkdtemp(join(tmpdir(), "hodei-bench-script-"));
      try {
        const path = join(folder, "script");
        await writeFile(path, SCRIPT);
        return await measure(
          () => submit(client, signal),
          () => spawnBare(path),
          signal,
        );
      } finally {
        await rm(folder, { recursive: true });
      }
    }),
};

async function measure(subject: Measure, baseline: Measure, signal: AbortSignal) {
  const warmUntilMs = performance.now() + WARM_UP_MS;
  while (performance.now() < warmUntilMs) {
    await subject();
    await baseline();
    signal.throwIfAborted();
  }
  const p50: Round[] = [];
  const p99: Round[] = [];
  for (let round = 0; round < ROUND_COUNT; round += 1) {
    const baselines = await sample(baseline, signal);
    const values = await sample(subject, signal);
    p50.push({ value: percentile(values, 0.5), baseline: percentile(baselines, 0.5) });
    p99.push({ value: percentile(values, 0.99), baseline: percentile(baselines, 0.99) });
  }
  return [p50, p99];
}

async function sample(one: Measure, signal: AbortSignal): Promise<number[]> {
  const samples: number[] = [];
  while (samples.length < SAMPLE_COUNT) {
    await delay(Math.random() * PAUSE_MAX_MS, undefined, { signal });
    samples.push(await one());
  }
  return samples;
}

/** Milliseconds from the call until the job's process had started. Follows the job to its end, as `hodei run` does. */
async function submit(client: HodeiClient, signal: AbortSignal): Promise<number> {
  const output: Uint8Array[] = [];
  const calledAtMs = wallClockMs();
  const job = await runJob(
    client,
    { spec: { work: { case: "script", value: { content: SCRIPT } } } },
    { onStdout: (bytes) => void output.push(bytes), signal },
  );
  if (job.state !== JobState.SUCCEEDED) throw new Error(`job ${job.id}: ${job.outcome?.message}`);
  return parseStartMs(Buffer.concat(output).toString()) - calledAtMs;
}

/** The same for the same command without Hodei. */
async function spawnBare(path: string): Promise<number> {
  const calledAtMs = wallClockMs();
  const child = spawn("bash", ["-euo", "pipefail", path], { stdio: ["ignore", "pipe", "inherit"] });
  return parseStartMs(await text(child.stdout)) - calledAtMs;
}

function parseStartMs(output: string): number {
  // Some locales write a comma.
  const startMs = Number(output.replace(",", ".")) * 1_000;
  if (!(startMs > 0)) throw new Error(`the script wrote ${JSON.stringify(output)}: is bash ≥ 5?`);
  return startMs;
}

/** What `Date.now` says, but with microseconds. @throws Error if somebody set the clock */
function wallClockMs(): number {
  const nowMs = performance.timeOrigin + performance.now();
  if (Math.abs(nowMs - Date.now()) > CLOCK_STEP_MS) throw new Error("the wall clock was set");
  return nowMs;
}

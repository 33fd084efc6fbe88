import { createHash } from "node:crypto";
import { type Job, JobState, LogOverflow } from "@hodei/proto/hodei/v1/job";
import { type HodeiClient, runJob, timestampDate } from "@hodei/sdk";
import pg from "pg";
import type { Round } from "../result.ts";
import type { Row } from "../row.ts";
import { type Stack, withStack } from "../stack.ts";
import { openRawLink, type RawLink } from "./logs/raw-link.ts";
import { findWorkerPid, readCpuMs } from "./logs/worker-cpu.ts";

/** With its newline, 100 bytes. */
const LINE = `2026-01-31T08:00:00.000Z INFO request served path=/api/v1/things status=200 duration_ms=17 id=8f14e`;
const LINE_BYTES = LINE.length + 1;
const LINE_COUNT = 400_000;
const MEGABYTES = (LINE_COUNT * LINE_BYTES) / 1e6;
const ROUND_COUNT = 5;
/** Server and worker are two to four times slower until their hot code is compiled. */
const WARM_UP_MS = 10_000;

/** `redacted`: the job has a secret, which its output is searched for in every encoding; it is not there. */
type Output = "plain" | "redacted";
const SECRET_NAME = "BENCH_SECRET";
const SECRET_VALUE = Buffer.from("correct horse battery staple, twice over");

/** What the log of one job took, from its start. */
interface Sample {
  readonly durableMs: number;
  readonly tailedMs: number;
  readonly messageCount: number;
  readonly workerCpuMs: number;
}

interface Subject {
  readonly stack: Stack;
  readonly client: HodeiClient;
  readonly database: pg.Client;
}

/** Throughput of logs: from a job's output to what is stored and to who watches. */
export const logs: Row = {
  name: "logs",
  about:
    "100-byte lines of one job → spool → compressed → durable → live tail; against raw 64 KiB chunks over mutual TLS",
  figures: [
    { name: "log-durable", unit: "MB/s", target: { kind: "ratio_at_least", limit: 0.5 } },
    { name: "log-durable-redacted", unit: "MB/s", target: { kind: "ratio_at_least", limit: 0.5 } },
    { name: "log-tailed", unit: "lines/s", target: { kind: "value_at_least", limit: 300_000 } },
    {
      name: "log-tailed-redacted",
      unit: "lines/s",
      target: { kind: "value_at_least", limit: 300_000 },
    },
    { name: "log-lines-per-message", unit: "", target: { kind: "value_at_least", limit: 100 } },
    { name: "log-worker-cpu", unit: "ms/MB", target: { kind: "added_at_most", limit: 20 } },
    {
      name: "log-worker-cpu-redacted",
      unit: "ms/MB",
      target: { kind: "added_at_most", limit: 20 },
    },
  ],
  measure: (signal) =>
    withStack({ workerCount: 1, signal }, async (stack) => {
      const link = await openRawLink();
      const database = new pg.Client({ connectionString: stack.databaseUrl });
      await database.connect();
      const client = stack.connect();
      try {
        await client.secrets.setSecret({ name: SECRET_NAME, value: SECRET_VALUE });
        // The worker is there when it has run a job.
        await follow(client, "plain");
        const subject = { stack, client, database };
        return await measure((output) => sample(subject, output), link, signal);
      } finally {
        await database.end();
        await link.close();
      }
    }),
};

async function measure(
  subject: (output: Output) => Promise<Sample>,
  link: RawLink,
  signal: AbortSignal,
): Promise<readonly (readonly Round[])[]> {
  const warmUntilMs = performance.now() + WARM_UP_MS;
  while (performance.now() < warmUntilMs) {
    await subject("plain");
    await subject("redacted");
    await link.send(MEGABYTES);
    signal.throwIfAborted();
  }
  const rounds: RoundSamples[] = [];
  while (rounds.length < ROUND_COUNT) {
    const raw = await link.send(MEGABYTES);
    rounds.push({ raw, plain: await subject("plain"), redacted: await subject("redacted") });
    signal.throwIfAborted();
  }
  const durable = ({ raw }: RoundSamples, { durableMs }: Sample): Round => ({
    value: perSecond(MEGABYTES, durableMs),
    baseline: perSecond(MEGABYTES, raw.elapsedMs),
  });
  const tailed = ({ raw }: RoundSamples, { tailedMs }: Sample): Round => ({
    value: perSecond(LINE_COUNT, tailedMs),
    baseline: perSecond(LINE_COUNT, raw.elapsedMs),
  });
  const workerCpu = ({ raw }: RoundSamples, { workerCpuMs }: Sample): Round => ({
    value: workerCpuMs / MEGABYTES,
    baseline: raw.senderCpuMs / MEGABYTES,
  });
  return [
    rounds.map((round) => durable(round, round.plain)),
    rounds.map((round) => durable(round, round.redacted)),
    rounds.map((round) => tailed(round, round.plain)),
    rounds.map((round) => tailed(round, round.redacted)),
    rounds.map(({ plain }) => ({ value: LINE_COUNT / plain.messageCount, baseline: 1 })),
    rounds.map((round) => workerCpu(round, round.plain)),
    rounds.map((round) => workerCpu(round, round.redacted)),
  ];
}

/** What one round measured, in the order in which it did. */
interface RoundSamples {
  readonly raw: Awaited<ReturnType<RawLink["send"]>>;
  readonly plain: Sample;
  readonly redacted: Sample;
}

const perSecond = (count: number, ms: number): number => (count / ms) * 1_000;

/** Runs one job and follows its log. @throws Error if a byte of it is missing */
async function sample({ stack, client, database }: Subject, output: Output): Promise<Sample> {
  const pid = await findWorkerPid(stack.folder);
  const cpuBeforeMs = await readCpuMs(pid);
  const { job, tailedAtMs } = await follow(client, output);
  const workerCpuMs = (await readCpuMs(pid)) - cpuBeforeMs;
  const { rows } = await database.query<{ count: string }>(
    "select count(*) from log_chunk where job_id = $1",
    [job.id],
  );
  const startedAtMs = instantMs(job.startedAt);
  return {
    durableMs: instantMs(job.finishedAt) - startedAtMs,
    tailedMs: tailedAtMs - startedAtMs,
    messageCount: Number(rows[0]?.count),
    workerCpuMs,
  };
}

async function follow(
  client: HodeiClient,
  output: Output,
): Promise<{ job: Job; tailedAtMs: number }> {
  const hash = createHash("sha256");
  let tailedAtMs = 0;
  const content = `yes '${LINE}' | head -n ${LINE_COUNT}\n`;
  const spec = {
    // The writer of a pipe whose reader has left ends by a signal.
    work: { case: "script", value: { content, withoutSafetyPreamble: true } },
    logPolicy: { overflow: LogOverflow.BLOCK },
    secrets: output === "redacted" ? [{ name: SECRET_NAME }] : [],
  } as const;
  const job = await runJob(
    client,
    { spec },
    {
      onStdout: (bytes) => {
        tailedAtMs = Date.now();
        hash.update(bytes);
      },
    },
  );
  if (job.state !== JobState.SUCCEEDED) throw new Error(`job ${job.id}: ${job.outcome?.message}`);
  if (hash.digest("hex") !== EXPECTED_HASH) throw new Error(`job ${job.id}: the log is not whole`);
  return { job, tailedAtMs };
}

const EXPECTED_HASH = createHash("sha256").update(`${LINE}\n`.repeat(LINE_COUNT)).digest("hex");

function instantMs(instant: Job["startedAt"]): number {
  if (instant === undefined) throw new Error("an ended job has been started and finished");
  return timestampDate(instant).getTime();
}

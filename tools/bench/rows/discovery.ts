import { once } from "node:events";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { createClient, type HodeiClient } from "@hodei/sdk";
import pg from "pg";
import type { Round } from "../result.ts";
import type { Row } from "../row.ts";
import { startServer } from "../server-process.ts";
import { type Stack, withStack } from "../stack.ts";
import { percentile } from "../statistics.ts";
import { openWorkers } from "../workers/open-workers.ts";

const ROUND_COUNT = 3;
const SAMPLE_COUNT = 150;
/** Servers are two to four times slower until their hot code is compiled. */
const WARM_UP_COUNT = 300;
/** Longest pause before a sample; random, so that samples do not fall into step with the servers' timers. */
const PAUSE_MAX_MS = 20;
/** Room for every job that is under way, so that none waits for anything but the scheduler. */
const SLOT_COUNT = 100;

const spec = { work: { case: "script", value: { content: "echo done\n" } } } as const;

/** How long a stored job lies there before the scheduler has placed it. */
export const discovery: Row = {
  name: "discovery",
  about:
    "commit of a job → the scheduler has placed it, idle system, free workers; created at the server that schedules, and at another one; against a bare NOTIFY until it is heard",
  figures: [
    { name: "discovery-p50", unit: "ms", target: { kind: "value_at_most", limit: 10 } },
    { name: "discovery-p99", unit: "ms", target: { kind: "value_at_most", limit: 10 } },
    { name: "discovery-elsewhere-p50", unit: "ms", target: { kind: "value_at_most", limit: 10 } },
    { name: "discovery-elsewhere-p99", unit: "ms", target: { kind: "value_at_most", limit: 10 } },
  ],
  measure: (signal) => {
    const postgresSettings = { track_commit_timestamp: "on" };
    return withStack({ workerCount: 0, postgresSettings, signal }, (stack) =>
      measure(stack, signal),
    );
  },
};

async function measure(stack: Stack, signal: AbortSignal): Promise<readonly (readonly Round[])[]> {
  const database = new pg.Client({ connectionString: stack.databaseUrl });
  await database.connect();
  // The first leads, and so schedules.
  const other = await startAnother(stack, signal);
  const otherClient = createClient({ endpoint: other.publicUrl, token: other.token });
  const client = stack.connect();
  const { workerUrl } = stack;
  const listener = new pg.Client({ connectionString: stack.databaseUrl });
  await listener.connect();
  await listener.query("listen bench");
  const ended = new Set<string>();
  const onEnded = (jobId: string) => void ended.add(jobId);
  const slotCount = SLOT_COUNT;
  const workers = await openWorkers({ client, workerUrl, count: 1, slotCount, onEnded, signal });
  try {
    const rounds: Round[][] = [[], [], [], []];
    await Promise.all([client, otherClient].map((each) => submit(each, WARM_UP_COUNT, signal)));
    while ((rounds[0]?.length ?? 0) < ROUND_COUNT) {
      const here = await sample(client, database, ended, signal);
      const elsewhere = await sample(otherClient, database, ended, signal);
      const bare = await sampleNotify(database, listener, signal);
      for (const [index, ms] of [here, here, elsewhere, elsewhere].entries()) {
        const share = index % 2 === 0 ? 0.5 : 0.99;
        rounds[index]?.push({ value: percentile(ms, share), baseline: percentile(bare, share) });
      }
    }
    return rounds;
  } finally {
    await workers.close();
    otherClient.close();
    await other.stop();
    await listener.end();
    await database.end();
  }
}

/** Milliseconds from the call that notifies until another connection hears of it. */
async function sampleNotify(
  database: pg.Client,
  listener: pg.Client,
  signal: AbortSignal,
): Promise<number[]> {
  const samples: number[] = [];
  while (samples.length < SAMPLE_COUNT) {
    await delay(Math.random() * PAUSE_MAX_MS, undefined, { signal });
    const heard = once(listener, "notification");
    const calledAtMs = performance.now();
    await Promise.all([heard, database.query("notify bench")]);
    samples.push(performance.now() - calledAtMs);
  }
  return samples;
}

function startAnother({ folder, databaseUrl }: Stack, signal: AbortSignal) {
  const first = join(folder, "server");
  const settings = {
    HODEI_SERVER_CA_DIR: join(first, "ca"),
    HODEI_SERVER_API_TOKEN_FILE: join(first, "api-token"),
    HODEI_SERVER_SECRET_KEY_FILE: join(first, "secret-key"),
  };
  return startServer({ dataDir: join(folder, "other-server"), databaseUrl, settings, signal });
}

/** Creates jobs one after another; resolves to their ids. */
async function submit(client: HodeiClient, count: number, signal: AbortSignal): Promise<string[]> {
  const ids: string[] = [];
  while (ids.length < count) {
    await delay(Math.random() * PAUSE_MAX_MS, undefined, { signal });
    const { job } = await client.jobs.createJob({ spec });
    if (job === undefined) throw new Error("a job that was created is answered");
    ids.push(job.id);
  }
  return ids;
}

/**
 * `at` of `assigned` is what the server's clock said, in whole milliseconds, when the scheduler had read and planned the
 * job and was about to store its decision. The commit's time is PostgreSQL's, by the same machine's clock. The millisecond
 * that was cut off is added, so what comes out is never too low.
 */
const QUERY = `
  select 1 + extract(epoch from assigned.at - pg_xact_commit_timestamp(created.tx_id::xid)) * 1000 as ms
  from event created join event assigned using (subject_id)
  where created.type = 'job.created' and assigned.type = 'job.assigned' and subject_id = any($1)`;

async function sample(
  client: HodeiClient,
  database: pg.Client,
  ended: ReadonlySet<string>,
  signal: AbortSignal,
): Promise<number[]> {
  const ids = await submit(client, SAMPLE_COUNT, signal);
  while (!ids.every((id) => ended.has(id))) await delay(PAUSE_MAX_MS, undefined, { signal });
  const { rows } = await database.query<{ ms: string }>(QUERY, [ids]);
  if (rows.length !== ids.length) throw new Error("each job was placed once");
  return rows.map(({ ms }) => Number(ms));
}

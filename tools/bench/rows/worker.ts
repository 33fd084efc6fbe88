import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import type { HodeiClient } from "@hodei/sdk";
import { endProcess, readRssBytes } from "../processes.ts";
import type { Round } from "../result.ts";
import type { Row } from "../row.ts";
import { type Stack, withStack } from "../stack.ts";
import { startWorker } from "../worker-process.ts";

const ROUND_COUNT = 5;
/** The first starts compile code, and put files into the machine's cache. */
const WARM_UP_COUNT = 1;
/** What has been started is idle after this, and has given back what its start took. */
const SETTLE_MS = 3_000;
const MB = 1_000_000;

/** What a worker costs before it runs anything. */
export const worker: Row = {
  name: "worker",
  about:
    "a worker from the start of its process, registration included, to its open session, and its memory when idle; against a node that does nothing",
  figures: [
    { name: "worker-start", unit: "ms", target: { kind: "value_at_most", limit: 500 } },
    { name: "worker-rss", unit: "MB", target: { kind: "value_at_most", limit: 80 } },
  ],
  measure: (signal) =>
    withStack({ workerCount: 0, signal }, async (stack) => {
      const client = stack.connect();
      const starts: Round[] = [];
      const memory: Round[] = [];
      for (let count = 0; count < WARM_UP_COUNT + ROUND_COUNT; count += 1) {
        const bare = await measureBare(signal);
        const { startMs, rssBytes } = await measureWorker(stack, client, { count, signal });
        if (count < WARM_UP_COUNT) continue;
        starts.push({ value: startMs, baseline: bare.startMs });
        memory.push({ value: rssBytes / MB, baseline: bare.rssBytes / MB });
      }
      return [starts, memory];
    }),
};

interface Cost {
  readonly startMs: number;
  readonly rssBytes: number;
}

async function measureWorker(
  { folder, workerUrl }: Stack,
  client: HodeiClient,
  { count, signal }: { readonly count: number; readonly signal: AbortSignal },
): Promise<Cost> {
  const { joinToken } = await client.workers.createJoinToken({});
  const stateDir = join(folder, `worker-${count}`);
  const process = await startWorker({ stateDir, workerUrl, joinToken, signal });
  try {
    await delay(SETTLE_MS, undefined, { signal });
    return { startMs: process.startMs, rssBytes: await readRssBytes(process.pid) };
  } finally {
    await process.stop();
  }
}

/** The same for a Node.js that says that it is there, and waits. */
async function measureBare(signal: AbortSignal): Promise<Cost> {
  const startedAtMs = performance.now();
  const program = 'process.stdout.write("ready"); setInterval(() => {}, 1_000);';
  const child = spawn(process.execPath, ["-e", program], { stdio: ["ignore", "pipe", "inherit"] });
  try {
    await once(child.stdout, "data", { signal });
    const startMs = performance.now() - startedAtMs;
    await delay(SETTLE_MS, undefined, { signal });
    return { startMs, rssBytes: await readRssBytes(child.pid ?? 0) };
  } finally {
    await endProcess(child, "SIGTERM");
  }
}

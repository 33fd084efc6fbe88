import { spawn } from "node:child_process";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import type { TlsMaterial } from "@hodei/worker";
import { endProcess, readRssBytes, waitForEvent } from "../processes.ts";
import type { Row } from "../row.ts";
import { type Stack, withStack } from "../stack.ts";
import { joinWorkers } from "../workers/join-workers.ts";
import { SimulatedWorker } from "../workers/simulated-worker.ts";
import { createCertificate } from "./logs/certificate.ts";
import { readCpuMs } from "./logs/worker-cpu.ts";

/** Sessions that are opened, or closed, at once: thousands at once are refused by a server whose database is busy with them. */
const AT_ONCE_COUNT = 32;
/** All heartbeats go at their pace after this, and what the handshakes took has been given back. */
const SETTLE_MS = 5_000;
/** Several heartbeats, pings and turns of every loop of the server. */
const MEASURE_MS = 15_000;
const CAPACITY = { cpuMillis: 1_000 };
const KIB = 1_024;

/** What sessions cost that have nothing to say but that they live. */
export const idleSessions: Row = {
  name: "idle-sessions",
  about:
    "memory and processor time of a server for each idle worker session; against bare connect-node streams with the same messages over the same TLS",
  figures: [
    { name: "idle-session-memory", unit: "KiB", target: { kind: "ratio_at_most", limit: 1.2 } },
    { name: "idle-session-cpu", unit: "µs/s", target: { kind: "ratio_at_most", limit: 1.2 } },
  ],
  measure: (signal, { sessionCount: count }) =>
    withStack({ workerCount: 0, signal }, async (stack) => {
      const client = stack.connect();
      const { workerUrl } = stack;
      const identities = await joinWorkers({ client, workerUrl, count, signal });
      const bare = await measureBare(stack, identities, signal);
      const server = { pid: stack.serverPid, url: workerUrl };
      const hodei = await measureServer(server, identities, signal);
      return [
        [{ value: hodei.memoryKib, baseline: bare.memoryKib }],
        [{ value: hodei.cpuMicros, baseline: bare.cpuMicros }],
      ];
    }),
};

/** Of one session. */
interface Cost {
  readonly memoryKib: number;
  /** In each second. */
  readonly cpuMicros: number;
}

async function measureBare(
  { folder }: Stack,
  identities: readonly TlsMaterial[],
  signal: AbortSignal,
): Promise<Cost> {
  const { certificatePem, keyPem } = await createCertificate();
  const program = join(import.meta.dirname, "idle-sessions/bare-server.ts");
  const [first] = identities;
  if (first === undefined) throw new RangeError("there is at least one session");
  const args = [...process.execArgv, program, certificatePem, keyPem, first.rootPem];
  const child = spawn(process.execPath, args, {
    cwd: folder,
    detached: true,
    stdio: ["ignore", "ignore", "pipe"],
  });
  try {
    const { port } = await waitForEvent(child, "bare_server_ready", signal);
    const server = { pid: child.pid ?? 0, url: `https://localhost:${port}` };
    const trusting = identities.map((identity) => ({ ...identity, rootPem: certificatePem }));
    return await measureServer(server, trusting, signal);
  } finally {
    await endProcess(child, "SIGTERM");
  }
}

async function measureServer(
  server: { readonly pid: number; readonly url: string },
  identities: readonly TlsMaterial[],
  signal: AbortSignal,
): Promise<Cost> {
  const memoryBefore = await readRssBytes(server.pid);
  const workers = await dialAll(server.url, identities, signal);
  try {
    await delay(SETTLE_MS, undefined, { signal });
    const cpuBeforeMs = await readCpuMs(server.pid);
    const startedAtMs = performance.now();
    const lost = Promise.race(workers.map(({ done }) => done));
    await Promise.race([lost, delay(MEASURE_MS, undefined, { signal })]);
    const elapsedS = (performance.now() - startedAtMs) / 1_000;
    const cpuMs = (await readCpuMs(server.pid)) - cpuBeforeMs;
    const memoryBytes = (await readRssBytes(server.pid)) - memoryBefore;
    return {
      memoryKib: memoryBytes / KIB / workers.length,
      cpuMicros: (cpuMs * 1_000) / elapsedS / workers.length,
    };
  } finally {
    await eachInTurn(workers, (worker) => worker.close());
  }
}

async function dialAll(
  workerUrl: string,
  identities: readonly TlsMaterial[],
  signal: AbortSignal,
): Promise<readonly SimulatedWorker[]> {
  const workers: SimulatedWorker[] = [];
  await eachInTurn(identities, async (identity) => {
    const worker = new SimulatedWorker({ workerUrl, identity, capacity: CAPACITY });
    workers.push(worker);
    await worker.welcomed;
    signal.throwIfAborted();
  });
  return workers;
}

/** Does `work` for each item, for so many at once. */
async function eachInTurn<Item>(
  items: readonly Item[],
  work: (item: Item) => Promise<void>,
): Promise<void> {
  const waiting = items.values();
  const some = async (): Promise<void> => {
    for (const item of waiting) await work(item);
  };
  await Promise.all(Array.from({ length: AT_ONCE_COUNT }, some));
}

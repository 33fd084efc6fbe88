import { setTimeout as delay } from "node:timers/promises";
import { type Job, JobState } from "@hodei/proto/hodei/v1/job";
import { durationFromMs, type HodeiClient, timestampDate, waitForJob } from "@hodei/sdk";
import { timeLimit } from "../../time-limit.ts";
import type { Round } from "../result.ts";
import type { Row } from "../row.ts";
import { Cluster } from "./recovery/cluster.ts";

const ROUND_COUNT = 3;
/** How often to look; the figures are in seconds. */
const LOOK_INTERVAL_MS = 20;
/** A cluster that takes longer than this has not recovered. */
const LIMIT_MS = 90_000;
/** Longer than the other replica may take to get the sessions. */
const LONG_S = 12;
/** Under way when the database stops, and submitted after it: none may be lost. */
const JOBS_ACROSS_RESTART = 40;

/** How long it takes until all is well again when a part has died. */
export const recovery: Row = {
  name: "recovery",
  about:
    "worker killed → its job runs on another; server killed → sessions are back on another, jobs undisturbed; database restarted → jobs run again, none lost",
  figures: [
    { name: "recovery-worker", unit: "s", target: { kind: "value_at_most", limit: 15 } },
    { name: "recovery-server", unit: "s", target: { kind: "value_at_most", limit: 5 } },
    { name: "recovery-database", unit: "s", target: { kind: "value_at_most", limit: 5 } },
  ],
  measure: (signal) =>
    Cluster.with(signal, async (cluster) => {
      const rounds: Round[][] = [];
      for (const part of [loseWorker, loseServer, restartDatabase]) {
        const values: Round[] = [];
        while (values.length < ROUND_COUNT) {
          values.push({ value: (await part(cluster, signal)) / 1_000, baseline: null });
        }
        rounds.push(values);
      }
      return rounds;
    }),
};

/** Milliseconds from the death of a worker until its job ran elsewhere. */
async function loseWorker(cluster: Cluster, signal: AbortSignal): Promise<number> {
  const { client } = cluster;
  const id = await submit(client, `sleep ${LIMIT_MS / 1_000}`);
  await until(() => isRunning(client, id, 1), signal);
  const { attempts } = await client.jobs.getJob({ jobId: id });
  await cluster.killWorker(attempts[0]?.workerId ?? "");
  const deadAtMs = performance.now();
  await until(() => isRunning(client, id, 2), signal);
  const elapsedMs = performance.now() - deadAtMs;
  await client.jobs.cancelJob({ jobId: id });
  await cluster.replaceWorker();
  return elapsedMs;
}

/** Milliseconds from the death of a server until all of its workers had sessions again. */
async function loseServer(cluster: Cluster, signal: AbortSignal): Promise<number> {
  const ids = await Promise.all(
    cluster.workerIds.map(() => submit(cluster.client, `sleep ${LONG_S}`)),
  );
  await Promise.all(ids.map((id) => until(() => isRunning(cluster.client, id, 1), signal)));
  const before = await sessionStarts(cluster);
  await cluster.killReplica();
  const deadAtMs = performance.now();
  await until(async () => {
    const after = await sessionStarts(cluster);
    return cluster.workerIds.every((id) => after.get(id) !== before.get(id));
  }, signal);
  const elapsedMs = performance.now() - deadAtMs;
  await cluster.replaceReplica();
  for (const id of ids) requireUndisturbed(await waitForJob(cluster.client, id, { signal }));
  return elapsedMs;
}

/** Milliseconds from when the database takes connections again until a job had run from submission to its end. */
async function restartDatabase(cluster: Cluster, signal: AbortSignal): Promise<number> {
  const { client } = cluster;
  const ids = await Promise.all(
    Array.from({ length: JOBS_ACROSS_RESTART }, () => submit(client, "sleep 0.2")),
  );
  await until(() => isRunning(client, ids[0] ?? "", 1), signal);
  await cluster.stopPostgres();
  await cluster.startPostgres();
  const startedAtMs = performance.now();
  const first = await submit(client, "true", 10);
  await waitForJob(client, first, { signal });
  const elapsedMs = performance.now() - startedAtMs;
  for (const id of [first, ...ids]) {
    requireUndisturbed(await waitForJob(client, id, { signal }));
  }
  return elapsedMs;
}

/** Submits until the server can be reached. */
async function submit(client: HodeiClient, script: string, priority = 0): Promise<string> {
  const { job } = await client.jobs.createJob({
    spec: {
      work: { case: "command", value: { argv: ["bash", "-c", script] } },
      resources: { cpuMillis: 100 },
      retryPolicy: { maxAttempts: 2, baseDelay: durationFromMs(1) },
      priority,
    },
  });
  if (job === undefined) throw new Error("a job that was created is answered");
  return job.id;
}

async function isRunning(client: HodeiClient, jobId: string, attempt: number): Promise<boolean> {
  const { job } = await client.jobs.getJob({ jobId });
  return job?.state === JobState.RUNNING && job.attempt === attempt;
}

/** When each worker's session began. */
async function sessionStarts({ client }: Cluster): Promise<ReadonlyMap<string, number>> {
  const { workers } = await client.workers.listWorkers({});
  return new Map(
    workers.map(({ id, connectedAt }) => [
      id,
      connectedAt === undefined ? 0 : timestampDate(connectedAt).getTime(),
    ]),
  );
}

/** @throws Error unless the job succeeded at its first attempt */
function requireUndisturbed({ id, state, attempt, outcome }: Job): void {
  if (state === JobState.SUCCEEDED && attempt === 1) return;
  throw new Error(`job ${id} was disturbed: attempt ${attempt}, ${outcome?.message}`);
}

async function until(isSo: () => Promise<boolean>, signal: AbortSignal): Promise<void> {
  const limit = timeLimit(signal, LIMIT_MS);
  while (!(await isSo())) await delay(LOOK_INTERVAL_MS, undefined, { signal: limit });
}

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { HealthCheckResponse_ServingStatus as Status } from "@hodei/proto/grpc/health/v1/health";
import { ExitReason, JobState } from "@hodei/proto/hodei/v1/job";
import { tailLogs, waitForJob } from "@hodei/sdk";
import {
  type LinkedDatabase,
  linkDatabase,
  startTestPostgres,
  type TestPostgres,
  waitFor,
} from "@hodei/testkit";
import pg from "pg";
import { ServerProcess } from "./server-process.ts";

const PATIENCE = { timeoutMs: 60_000 };
/** Calls wait for 10 s at most for a database that is away or too busy; a busy machine may need longer. */
const CALL_LIMIT_MS = 20_000;

let postgres: TestPostgres;
let network: LinkedDatabase;
let server: ServerProcess;
/** Around the network. */
let direct: pg.Client;

before(async () => {
  postgres = await startTestPostgres();
  const { url } = await postgres.createDatabase();
  network = await linkDatabase(url);
  direct = new pg.Client({ connectionString: url });
  await direct.connect();
  const flags = ["--local-workers-min", "1", "--local-workers-max", "1"];
  flags.push("--database-url", network.url);
  server = await ServerProcess.create(flags, { HODEI_SERVER_LOCAL_WORKER_CPU_MILLIS: "50000" });
});

after(async () => {
  network.link.state = "open";
  await server.dispose();
  await direct.end();
  await network.stop();
  await postgres.stop();
});

/** Ids of `count` jobs that say their id and take `seconds`. */
async function submit(count: number, seconds: number): Promise<readonly string[]> {
  const argv = ["bash", "-c", `echo "$HODEI_JOB_ID"; sleep ${seconds}`];
  const spec = { work: { case: "command" as const, value: { argv } } };
  const jobs = Array.from({ length: count }, () => ({ spec }));
  return (await server.client.jobs.createJobs({ jobs })).jobIds;
}

/** All have run well, and said all that they had to say. */
async function assertDone(ids: readonly string[]): Promise<void> {
  const jobs = await Promise.all(ids.map((id) => waitForJob(server.client, id)));
  for (const { id, outcome } of jobs) {
    // Without retries: a second attempt is one whose first was never started.
    assert.equal(outcome?.reason, ExitReason.COMPLETED, id);
    const pieces: Uint8Array[] = [];
    for await (const { chunk } of tailLogs(server.client, { jobId: id, follow: false })) {
      pieces.push(chunk.data);
    }
    assert.equal(Buffer.concat(pieces).toString(), `${id}\n`);
  }
}

interface Answer {
  readonly status: number;
  readonly tookMs: number;
  readonly body: {
    readonly code?: string;
    readonly details?: readonly { readonly type: string; readonly debug?: unknown }[];
  };
}

/** One call without the retries of the client. */
async function call(method: string, request: object): Promise<Answer> {
  const startedAtMs = performance.now();
  const { endpoint, token } = server.access;
  const response = await fetch(`${endpoint}/${method}`, {
    method: "POST",
    headers: { "content-type": "application/json", authorization: `Bearer ${token}` },
    body: JSON.stringify(request),
  });
  const body = (await response.json()) as Answer["body"];
  return { status: response.status, body, tookMs: performance.now() - startedAtMs };
}

const listJobs = () => call("hodei.v1.JobService/ListJobs", { pageSize: 1 });

function assertUnavailable({ body, tookMs }: Answer): void {
  assert.equal(body.code, "unavailable");
  assert.ok(body.details?.some(({ type }) => type === "google.rpc.RetryInfo"));
  assert.ok(tookMs < CALL_LIMIT_MS, `${tookMs} ms`);
}

const countSessions = () => server.log.split('"session_opened"').length - 1;

const health = async () => (await server.client.health.check({})).status;

test("a start waits for a database that comes late and falls silent meanwhile", async () => {
  network.link.state = "refused";
  const started = server.start();
  await waitFor(() => server.logged("database_unreachable"), PATIENCE);
  network.link.state = "swallowed";
  await waitFor(() => /database_unreachable.*timeout expired/.test(server.log), PATIENCE);
  network.link.state = "open";
  await started;
  assert.equal(await health(), Status.SERVING);
});

for (const state of ["swallowed", "refused"] as const) {
  test(`nothing is lost when the network to the database is ${state} while jobs run`, async (context) => {
    const ids = await submit(30, 2);
    await waitFor(async () => {
      const filter = { states: [JobState.RUNNING] };
      return (await server.client.jobs.listJobs({ filter })).jobs.length > 10;
    }, PATIENCE);
    network.link.state = state;
    assertUnavailable(await listJobs());
    await waitFor(async () => (await health()) === Status.NOT_SERVING, PATIENCE);
    assertUnavailable(await listJobs());
    network.link.state = "open";
    const openedAtMs = performance.now();
    await waitFor(async () => (await listJobs()).status === 200, PATIENCE);
    context.diagnostic(`calls are back after ${Math.round(performance.now() - openedAtMs)} ms`);
    await assertDone(await submit(1, 0));
    context.diagnostic(`a job has run after ${Math.round(performance.now() - openedAtMs)} ms`);
    await waitFor(async () => (await health()) === Status.SERVING, PATIENCE);
    await assertDone(ids);
  });
}

test("nothing is lost when connections of every kind are ended at random", async () => {
  const ids = await submit(60, 0.5);
  const kinds = new Set<string>();
  let endedCount = 0;
  const all = assertDone(ids);
  let isDone = false;
  void all.finally(() => {
    isDone = true;
  });
  while (!isDone || endedCount < 100) {
    const { rows } = await direct.query<{ query: string }>(`
      select query, pg_terminate_backend(pid) from pg_stat_activity
      where datname = current_database() and pid <> pg_backend_pid() and random() < 0.1`);
    endedCount += rows.length;
    for (const { query } of rows) kinds.add(query.trim().slice(0, 30));
    await direct.query("select pg_sleep(0.1)");
  }
  await all;
  await assertDone(await submit(1, 0));
});

test("workers and their jobs do not notice that all connections for calls are taken", async () => {
  const sessionsBefore = countSessions();
  const [running = ""] = await submit(1, 3);
  const never = { work: { case: "command" as const, value: { argv: ["true"] } } };
  const { job } = await server.client.jobs.createJob({
    spec: { ...never, resources: { cpuMillis: 1_000_000 } },
  });
  const jobId = job?.id ?? "";
  await direct.query("begin");
  await direct.query("select from job where id = $1 for update", [jobId]);
  const spec = {
    command: { argv: ["true"] },
    after: [{ jobId, condition: "DEPENDENCY_CONDITION_ANY" }],
  };
  const blocked = Array.from({ length: 40 }, () => call("hodei.v1.JobService/CreateJob", { spec }));
  await waitFor(async () => (await health()) === Status.NOT_SERVING, PATIENCE);
  assertUnavailable(await listJobs());
  await waitFor(async () => {
    const { rows } = await direct.query("select state from job where id = $1", [running]);
    return rows[0]?.state === "succeeded";
  }, PATIENCE);
  await direct.query("rollback");
  for (const answer of await Promise.all(blocked)) {
    if (answer.status !== 200) assertUnavailable(answer);
  }
  await waitFor(async () => (await health()) === Status.SERVING, PATIENCE);
  await assertDone([running]);
  assert.equal(countSessions(), sessionsBefore);
});

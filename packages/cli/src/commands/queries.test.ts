import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { Code, ConnectError, type ConnectRouter } from "@connectrpc/connect";
import { EventService, type ListEventsRequest } from "@hodei/proto/hodei/v1/event_service";
import { ExitReason, JobState, PlacementPolicy } from "@hodei/proto/hodei/v1/job";
import { JobService, type ListJobsRequest, PolicySource } from "@hodei/proto/hodei/v1/job_service";
import { LogStream } from "@hodei/proto/hodei/v1/log_service";
import { WorkerState } from "@hodei/proto/hodei/v1/worker";
import { WorkerAdminService } from "@hodei/proto/hodei/v1/worker_admin_service";
import { createInProcessClient, REASON_HEADER, timestampFromDate } from "@hodei/sdk";
import { temporaryFolder } from "@hodei/testkit";
import { runCli } from "../run-cli.ts";
import { fakeContext } from "../testing/fake-context.ts";
import { exited, FakeHodei, JOB_ID, running } from "../testing/fake-hodei.ts";

/** Runs a command against the services of `routes`. */
async function cli(routes: (router: ConnectRouter) => void, ...args: string[]) {
  const context = fakeContext(createInProcessClient(routes));
  await runCli(args, context);
  return { exitCode: context.exitCode, stdout: context.stdout.text, stderr: context.stderr.text };
}

const at = (iso: string) => timestampFromDate(new Date(iso));

const job = {
  id: JOB_ID,
  name: "build",
  state: JobState.FAILED,
  attempt: 2,
  labels: { team: "x" },
  createdAt: at("2026-01-31T07:58:30Z"),
  startedAt: at("2026-01-31T07:59:00Z"),
  finishedAt: at("2026-01-31T07:59:02.5Z"),
  outcome: { reason: ExitReason.NON_ZERO_EXIT, exitCode: 7, message: "exited with 7" },
};

test("jobs list: filters, pages, table and data", async () => {
  const seen: ListJobsRequest[] = [];
  const routes = (router: ConnectRouter) =>
    router.service(JobService, {
      listJobs(request) {
        seen.push(request);
        const nextPageToken = request.pageToken === "" ? "second" : "third";
        return { jobs: [job], nextPageToken };
      },
    });
  // biome-ignore format: flags and their values read better in rows
  const text = await cli(routes, "jobs", "list", "--limit", "2", "--state", "failed", "--state", "timed_out",
    "--label", "team=x", "--name", "b", "--after", "2026-01-01T00:00:00Z");
  assert.equal(
    text.stdout,
    `${[
      "ID                                    STATE   OUTCOME  ATTEMPT  AGE    RAN  NAME",
      `${JOB_ID}  failed  exit 7   2        1m30s  3s   build`,
      `${JOB_ID}  failed  exit 7   2        1m30s  3s   build`,
    ].join("\n")}\n`,
  );
  assert.equal(text.stderr, "hodei: there are more than 2; see --limit\n");
  assert.deepEqual(
    seen.map(({ pageSize, pageToken }) => [pageSize, pageToken]),
    [
      [2, ""],
      [1, "second"],
    ],
  );
  assert.deepEqual(seen[0]?.filter?.states, [JobState.FAILED, JobState.TIMED_OUT]);
  assert.deepEqual(seen[0]?.filter?.labels, { team: "x" });
  assert.equal(seen[0]?.filter?.createdAfter?.seconds, 1_767_225_600n);
  const json = JSON.parse((await cli(routes, "jobs", "list", "--limit", "1", "-o", "json")).stdout);
  assert.equal(json.length, 1);
  assert.equal(json[0].state, "JOB_STATE_FAILED");
  assert.equal(json[0].createdAt, "2026-01-31T07:58:30Z");
  const wrong = await cli(routes, "jobs", "list", "--state", "broken");
  assert.match(wrong.stderr, /--state <state>: "broken" is not one of pending, assigned/);
});

test("jobs get: facts and attempts", async () => {
  const attempts = [
    { number: 1, workerId: "w1", logBytes: 2048n, startedAt: job.startedAt, outcome: job.outcome },
  ];
  const routes = (router: ConnectRouter) =>
    router.service(JobService, { getJob: () => ({ job, attempts, spec: { name: "build" } }) });
  const { stdout } = await cli(routes, "jobs", "get", JOB_ID);
  assert.match(stdout, /^outcome: {2}exit 7$/m);
  assert.match(stdout, /^message: {2}exited with 7$/m);
  assert.match(stdout, /^labels: {3}team=x$/m);
  assert.match(stdout, /^1 +unspecified +exit 7 +1m +2 KiB +w1$/m);
  const json = JSON.parse((await cli(routes, "jobs", "get", JOB_ID, "-o", "json")).stdout);
  assert.deepEqual(Object.keys(json), ["job", "spec", "attempts"]);
});

test("an unknown job is told with its code, and what to do", async () => {
  const routes = (router: ConnectRouter) =>
    router.service(JobService, {
      getJob() {
        throw new ConnectError(`there is no job ${JOB_ID}`, Code.NotFound, {
          [REASON_HEADER]: "job_not_found",
        });
      },
    });
  const { stderr, exitCode } = await cli(routes, "jobs", "get", JOB_ID, "-o", "json");
  assert.deepEqual(JSON.parse(stderr).error, {
    code: "not_found",
    reason: "job_not_found",
    message: `there is no job ${JOB_ID}`,
  });
  assert.equal(exitCode, 1);
});

test("jobs wait: the exit code is the job's, and a limit", async () => {
  const ended = fakeContext(new FakeHodei({ changes: [running, exited(7)] }).client);
  await runCli(["jobs", "wait", JOB_ID], ended);
  assert.equal(ended.exitCode, 7);
  const slow = fakeContext(
    new FakeHodei({ changes: [running, exited(7)], waitsForCancel: true }).client,
  );
  await runCli(["jobs", "wait", JOB_ID, "--timeout", "20ms"], slow);
  assert.equal(slow.exitCode, 1);
  assert.match(slow.stderr.text, /has not ended within 20ms; see why with: hodei jobs explain/);
});

test("jobs cancel, retry and explain", async () => {
  const routes = (router: ConnectRouter) =>
    router.service(JobService, {
      cancelJob: () => ({ job: { ...job, finishedAt: undefined } }),
      retryJob: ({ idempotencyKey }) => ({ job: { ...job, id: idempotencyKey } }),
      explainJob: () => ({
        job: { ...job, state: JobState.PENDING },
        summary: "Waits: no worker has 8 cores.",
        reasons: [{ code: "cpu", message: "no worker has 8 cores", workerCount: 2 }],
        scores: [
          {
            workerId: "w1",
            score: 0.5,
            policy: PlacementPolicy.SPREAD,
            policySource: PolicySource.POOL,
            parts: [
              { scorer: "preferences", weight: 2, points: -0.25 },
              { scorer: "spread", weight: 1, points: 0.75 },
            ],
          },
        ],
        expectedStart: { seconds: 1_767_225_600n },
      }),
    });
  assert.match((await cli(routes, "jobs", "cancel", JOB_ID)).stdout, /is being cancelled; wait/);
  const retried = await cli(routes, "jobs", "retry", JOB_ID, "--idempotency-key", "k");
  assert.equal(retried.stdout, "k\n");
  const explained = await cli(routes, "jobs", "explain", JOB_ID);
  assert.equal(
    explained.stdout,
    [
      "Waits: no worker has 8 cores.\n",
      "expected start: 2026-01-01T00:00:00.000Z\n",
      "REASON  WORKERS  MESSAGE",
      "cpu     2        no worker has 8 cores\n",
      "FITS WORKER  SCORE  POLICY              SUM OF",
      "w1           0.500  spread of the pool  preferences -0.250 + spread 0.750\n",
    ].join("\n"),
  );
});

test("plan asks for each job of a file, and creates none", async () => {
  const planned: string[] = [];
  const routes = (router: ConnectRouter) =>
    router.service(JobService, {
      planJob: ({ spec }) => {
        planned.push(spec?.name ?? "");
        return { summary: `Waits: ${spec?.name}.` };
      },
    });
  const folder = temporaryFolder();
  const file = join(folder, "jobs.yaml");
  writeFileSync(file, "name: a\nscript: x\n---\nname: b\nscript: x\n");
  const fromFile = await cli(routes, "plan", "-f", file);
  assert.equal(fromFile.stdout, "Waits: a.\n\nWaits: b.\n");
  assert.deepEqual(planned, ["a", "b"]);
  const data = await cli(routes, "plan", "--output", "json", "--name", "c", "--", "true");
  assert.deepEqual(JSON.parse(data.stdout), [{ summary: "Waits: c.", reasons: [], scores: [] }]);
});

test("logs: both streams apart, flags, and data with offsets", async () => {
  const hodei = new FakeHodei({
    output: [
      ["out", "a\n"],
      ["err", "b\n"],
      ["out", "c"],
    ],
  });
  const context = fakeContext(hodei.client);
  // biome-ignore format: flags and their values read better in a row
  await runCli(["logs", JOB_ID, "-f", "--tail", "10", "--stream", "stderr", "--attempt", "2"], context);
  assert.equal(context.stdout.text, "a\nc");
  assert.equal(context.stderr.text, "b\n");
  const [tail] = hodei.tails;
  assert.deepEqual(
    [tail?.follow, tail?.tailLines, tail?.stream, tail?.attempt],
    [true, 10, LogStream.STDERR, 2],
  );
  const json = fakeContext(hodei.client);
  await runCli(["logs", JOB_ID, "-o", "json"], json);
  const lines = json.stdout.text
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line));
  assert.deepEqual(
    lines.map(({ attempt, stream, offset, data }) => [attempt, stream, offset, data]),
    [
      [1, "LOG_STREAM_STDOUT", "0", "YQo="],
      [1, "LOG_STREAM_STDERR", "2", "Ygo="],
      [1, "LOG_STREAM_STDOUT", "4", "Yw=="],
    ],
  );
});

test("logs: where to begin, which lines, and their numbers", async () => {
  const hodei = new FakeHodei({
    output: [
      ["out", "a\nb\n"],
      ["out", "c\nd\n"],
    ],
  });
  const run = async (...flags: string[]) => {
    const context = fakeContext(hodei.client);
    const exitCode = await runCli(["logs", JOB_ID, ...flags], context);
    return { ...context, exitCode, tail: hodei.tails.at(-1) };
  };
  const lines = await run("--lines", "..3", "-n");
  assert.equal(lines.stdout.text, "     1\ta\n     2\tb\n     3\tc\n");
  assert.equal(lines.tail?.line, 1n);
  assert.equal((await run("--lines", "3")).tail?.line, 3n);
  const json = await run("-n", "-o", "json");
  const numbers = json.stdout.text
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line).line);
  assert.deepEqual(numbers, [1, 3]);
  const { tail } = await run("--since", "2026-01-31T08:00:00Z");
  assert.deepEqual(tail?.since, at("2026-01-31T08:00:00Z"));
  const back = await run("--since", "1m30s");
  const expected = timestampFromDate(new Date(back.now().getTime() - 90_000));
  assert.deepEqual(back.tail?.since, expected);
  const several = await run("--since", "1m", "--tail", "3");
  assert.match(several.stderr.text, /exclude each other/);
});

test("workers: list, get, drain and join token", async () => {
  const worker = {
    id: JOB_ID,
    state: WorkerState.BUSY,
    pool: "local",
    provider: "process",
    hostname: "host\u001b[2J",
    runningAttempts: 3,
    createdAt: at("2026-01-31T07:00:00Z"),
    capacity: { cpuMillis: 1500, memoryBytes: 1n << 30n },
    metrics: {
      cpuUtilization: 0.254,
      load: [0.5, 1, 2],
      disks: [{ mount: "/data\u001b", totalBytes: 4n << 30n, freeBytes: 3n << 30n }],
      networkReceivedBytes: 2048n,
    },
  };
  let states: readonly number[] = [];
  const routes = (router: ConnectRouter) =>
    router.service(WorkerAdminService, {
      listWorkers(request) {
        states = request.states;
        return { workers: [worker] };
      },
      getWorker: () => ({ worker }),
      drainWorker: () => ({ worker: { ...worker, state: WorkerState.DRAINING } }),
      createJoinToken: ({ pool, ttl }) => ({
        joinToken: `${pool} ${ttl?.seconds}`,
        expiresAt: at("2026-01-31T09:00:00Z"),
      }),
    });
  const list = await cli(routes, "workers", "list");
  assert.match(list.stdout, /busy +3 +local +process +1h +host\\x1b\[2J\n$/);
  assert.ok(!states.includes(WorkerState.TERMINATED));
  const { stdout } = await cli(routes, "workers", "get", JOB_ID);
  assert.match(stdout, /^cores: +1.5$/m);
  assert.match(stdout, /^cpu in use: +25 %$/m);
  assert.match(stdout, /^load: +0.50 1.00 2.00$/m);
  assert.match(stdout, /^disk: +\/data\\x1b: 3 GiB of 4 GiB free$/m);
  assert.match(stdout, /^network: +2 KiB received, 0 B sent$/m);
  assert.match((await cli(routes, "workers", "drain", JOB_ID)).stdout, /^state: +draining$/m);
  const token = await cli(routes, "workers", "create-join-token", "--pool", "p", "--ttl", "1h");
  assert.equal(token.stdout, "p 3600\n");
  assert.match(token.stderr, /until 2026-01-31T09:00:00.000Z; it is not shown again/);
});

test("events: pages to the limit, and lines", async () => {
  const seen: ListEventsRequest[] = [];
  const routes = (router: ConnectRouter) =>
    router.service(EventService, {
      listEvents(request) {
        seen.push(request);
        const cursor = `${Number(request.cursor || "0") + 1}`;
        const event = { cursor, type: "job.created", subjectId: "j", data: { by: "a\nb" } };
        return cursor === "4" ? { nextCursor: "3" } : { events: [event], nextCursor: cursor };
      },
    });
  const { stdout } = await cli(routes, "events", "--subject", "j", "--type", "job.created");
  assert.equal(stdout, '  job.created  j  by="a\\nb"\n'.repeat(3));
  assert.deepEqual(
    seen.map(({ cursor, pageSize }) => [cursor, pageSize]),
    [
      ["", 1000],
      ["1", 999],
      ["2", 998],
      ["3", 997],
    ],
  );
  assert.deepEqual(seen[0]?.filter?.types, ["job.created"]);
  const json = await cli(routes, "events", "--limit", "2", "-o", "json");
  assert.deepEqual(
    json.stdout
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line).cursor),
    ["1", "2"],
  );
});

test("jobs wait: a limit beyond the longest timer is no limit of 1 ms", async () => {
  for (const limit of ["30d", "60d"]) {
    const context = fakeContext(
      new FakeHodei({ changes: [running, exited(7)], waitsForCancel: true }).client,
    );
    const waited = runCli(["jobs", "wait", JOB_ID, "--timeout", limit], context);
    await delay(100);
    await (await context.connect({})).client.jobs.cancelJob({ jobId: JOB_ID });
    await waited;
    assert.equal(context.stderr.text, "");
    assert.equal(context.exitCode, 7);
  }
});

test("submit: a file of several jobs is one batch", async () => {
  const cwd = temporaryFolder();
  writeFileSync(
    join(cwd, "jobs.yaml"),
    "script: a\n---\ncommand: [b]\nworkingDir: sub\n---\nscript: c\nfiles: [{ path: in, content: x }]\n",
  );
  const hodei = new FakeHodei();
  const context = fakeContext(hodei.client, { cwd, isLocal: true });
  await runCli(["submit", "-f", "jobs.yaml"], context);
  assert.equal(context.stdout.text, "job-0\njob-1\njob-2\n");
  assert.deepEqual(
    hodei.created.map(({ spec }) => spec?.workingDir),
    [cwd, join(cwd, "sub"), ""],
    "a job starts where the user is, or beside the files that it brings",
  );
  const json = fakeContext(hodei.client, { stdin: '{"script": "a"}' });
  await runCli(["submit", "-f", "-", "-o", "json"], json);
  assert.deepEqual(JSON.parse(json.stdout.text), [{ id: "job-0" }]);
});

test("submit: mistakes in a file, and a job described twice", async () => {
  const stdin = "script: a\nretires: 3\n";
  const mistaken = fakeContext(new FakeHodei().client, { stdin });
  await runCli(["submit", "-f", "-"], mistaken);
  assert.equal(mistaken.stderr.text, 'hodei: standard input:2:1: unknown field "retires"\n');
  assert.equal(mistaken.exitCode, 1);
  for (const [args, what] of [
    [["--queue-timeout", "1s"], "the flag --queue-timeout"],
    [["--", "ls"], '"ls"'],
  ] as const) {
    const twice = fakeContext(new FakeHodei().client, { stdin });
    await runCli(["submit", "-f", "-", ...args], twice);
    assert.match(twice.stderr.text, new RegExp(`${what} and --file both describe a job`));
    assert.equal(twice.exitCode, 2);
  }
});

test("submit with words is run --detach", async () => {
  const hodei = new FakeHodei();
  const context = fakeContext(hodei.client);
  await runCli(["submit", "--retries", "2", "--", "make", "-j4"], context);
  assert.equal(context.stdout.text, `${JOB_ID}\n`);
  assert.equal(hodei.created[0]?.spec?.retryPolicy?.maxAttempts, 3);
});

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { JobState } from "@hodei/proto/hodei/v1/job";
import { type JobSpecInit, tailLogs, waitForJob } from "@hodei/sdk";
import { ServerProcess } from "./server-process.ts";

const UNKNOWN = "01890a5d-ac96-774b-bcce-b302099a8057";

let server: ServerProcess;

before(async () => {
  server = await ServerProcess.create(["--local-workers-max", "1"]);
  await server.start();
});

after(() => server.dispose());

const command = (...argv: string[]) => ({ case: "command", value: { argv } }) as const;

const create = (spec: JobSpecInit) => server.client.jobs.createJob({ spec });

/** Each refused with this code, and a message that names what is wrong. */
const REFUSED: Readonly<Record<string, [spec: JobSpecInit, code: string, message: RegExp]>> = {
  "a spec over 1 MiB": [
    {
      work: { case: "script", value: { content: "x".repeat(700_000) } },
      stdin: new Uint8Array(400_000),
    },
    "invalid_argument",
    /at most 1048576/,
  ],
  "an empty argv": [{ work: command() }, "invalid_argument", /argv/],
  "an empty program": [{ work: command("") }, "invalid_argument", /argv.*program/],
  "no work at all": [{}, "invalid_argument", /work/],
  "an unknown interpreter": [
    { work: { case: "script", value: { content: "1", interpreter: "fish" } } },
    "invalid_argument",
    /interpreter.*fish.*python3/,
  ],
  "a negative time-out": [
    { work: command("true"), timeouts: { run: { seconds: -1n } } },
    "invalid_argument",
    /timeouts\.run/,
  ],
  "a huge time-out": [
    { work: command("true"), timeouts: { queue: { seconds: 9_999_999_999n } } },
    "invalid_argument",
    /timeouts\.queue/,
  ],
  "a NUL byte in an argument": [{ work: command("echo", "a\0b") }, "invalid_argument", /argv/],
  "a NUL byte in a variable": [
    { work: command("true"), env: { A: "a\0b" } },
    "invalid_argument",
    /env/,
  ],
  "a malformed variable name": [
    { work: command("true"), env: { "A=B": "1" } },
    "invalid_argument",
    /env/,
  ],
  "10,000 variables": [
    {
      work: command("true"),
      env: Object.fromEntries(Array.from({ length: 10_000 }, (_, i) => [`V${i}`, ""])),
    },
    "invalid_argument",
    /env.*1000/,
  ],
  "a file outside of the private directory": [
    { work: command("true"), files: [{ path: "../../etc/passwd", content: new Uint8Array(1) }] },
    "invalid_argument",
    /\.\./,
  ],
  "a container, which no worker can run yet": [
    { work: { case: "container", value: { image: "debian" } } },
    "unimplemented",
    /container/,
  ],
  "a budget, which nothing keeps yet": [
    { work: command("true"), budget: { currency: "EUR", maxMicros: 1n } },
    "unimplemented",
    /budget/,
  ],
};

for (const [what, [spec, code, message]] of Object.entries(REFUSED)) {
  test(`${what} is refused`, async () => {
    await assert.rejects(create(spec), { code, message });
  });
}

test("refused jobs leave nothing behind", async () => {
  const { jobs } = await server.client.jobs.listJobs({});
  assert.deepEqual(jobs, []);
});

test("what is not there is said to be not there", async () => {
  const { jobs, logs, workers } = server.client;
  const refused = { code: "not_found", message: new RegExp(UNKNOWN) };
  await assert.rejects(jobs.getJob({ jobId: UNKNOWN }), refused);
  await assert.rejects(jobs.cancelJob({ jobId: UNKNOWN }), refused);
  await assert.rejects(jobs.explainJob({ jobId: UNKNOWN }), refused);
  await assert.rejects(logs.getLogs({ jobId: UNKNOWN }), refused);
  await assert.rejects(workers.getWorker({ workerId: UNKNOWN }), {
    code: "not_found",
    message: /no worker/,
  });
  await assert.rejects(async () => {
    for await (const _ of tailLogs(server.client, { jobId: UNKNOWN, follow: true }));
  }, refused);
  await assert.rejects(jobs.getJob({ jobId: "7" }), { code: "invalid_argument" });
});

test("cancelling twice, or after the end, is safe and changes nothing", async () => {
  const { jobs } = server.client;
  const { job } = await create({ work: command("sleep", "30") });
  assert.ok(job);
  await jobs.cancelJob({ jobId: job.id });
  await jobs.cancelJob({ jobId: job.id });
  const ended = await waitForJob(server.client, job.id);
  assert.equal(ended.state, JobState.CANCELLED);
  const again = await jobs.cancelJob({ jobId: job.id });
  assert.deepEqual(again.job, ended);
});

test("an idempotency key gives the same job again, and is refused for another", async () => {
  const { jobs } = server.client;
  const request = { spec: { work: command("true") }, idempotencyKey: "release-7" };
  const [first, second] = await Promise.all([jobs.createJob(request), jobs.createJob(request)]);
  assert.equal(first.job?.id, second.job?.id);
  const other = { ...request, spec: { work: command("false") } };
  await assert.rejects(jobs.createJob(other), { code: "already_exists", message: /release-7/ });
});

test("10,000 jobs in one call are all there, in their order", async () => {
  const request = { spec: { work: command("true"), notBefore: { seconds: 4_000_000_000n } } };
  const batch = Array.from({ length: 10_000 }, () => request);
  const { jobIds } = await server.client.jobs.createJobs({ jobs: batch });
  assert.equal(new Set(jobIds).size, 10_000);
  assert.equal(jobIds.join() === jobIds.toSorted().join(), true, "ids ascend");
  const { job } = await server.client.jobs.getJob({ jobId: jobIds[9_999] as string });
  assert.equal(job?.state, JobState.PENDING);
});

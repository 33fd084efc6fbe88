import assert from "node:assert/strict";
import { test } from "node:test";
import type { JobId, TenantId } from "@hodei/domain";
import { aJobSpec } from "@hodei/testkit";
import { cancelJob } from "./cancel-job.ts";
import { createJob, createJobs, MAX_BATCH_COUNT } from "./create-job.ts";
import { dispatchAssignments } from "./dispatch-assignments.ts";
import { explainJob } from "./explain-job.ts";
import {
  ALICE,
  COMPLETED,
  connectedWorker,
  find,
  finish,
  running,
  settled,
  submit,
  testDeps,
} from "./fixtures.test.ts";
import { getJob } from "./get-job.ts";
import { listJobs } from "./list-jobs.ts";
import { retryJob } from "./retry-job.ts";
import { watchJob } from "./watch-job.ts";

const MALLORY = { ...ALICE, name: "mallory", tenantId: "other" as TenantId };
const UNKNOWN = "99999999-0000-7000-8000-000000000000" as JobId;
const FIRST_PAGE = { limit: 10, token: null };

test("a repeat with the same key and spec is the same job, whatever the order of maps", async () => {
  const deps = testDeps();
  const idempotencyKey = "deploy-1";
  const first = { spec: aJobSpec({ env: { A: "1", B: "2" } }), idempotencyKey };
  const again = { spec: aJobSpec({ env: { B: "2", A: "1" } }), idempotencyKey };
  const job = await createJob(deps, ALICE, first);
  assert.deepEqual(await createJob(deps, ALICE, again), job);
  assert.equal((await listJobs(deps, ALICE, {}, FIRST_PAGE)).items.length, 1);
});

test("a key that stands for another spec is refused and says for which job", async () => {
  const deps = testDeps();
  const job = await createJob(deps, ALICE, { spec: aJobSpec(), idempotencyKey: "k" });
  const other = { spec: aJobSpec({ priority: 5 }), idempotencyKey: "k" };
  await assert.rejects(createJob(deps, ALICE, other), {
    code: "already_exists",
    reason: "idempotency_key_reused",
    message: new RegExp(job.id),
  });
});

test("a batch with one wrong spec stores none of its jobs", async () => {
  const deps = testDeps();
  const wrong = aJobSpec({ work: { kind: "command", argv: [""] } });
  const inputs = [aJobSpec(), wrong].map((spec) => ({ spec, idempotencyKey: null }));
  await assert.rejects(createJobs(deps, ALICE, inputs), { code: "invalid_argument" });
  assert.equal((await listJobs(deps, ALICE, {}, FIRST_PAGE)).items.length, 0);
});

test("a batch above the limit is refused with the limit", async () => {
  const input = { spec: aJobSpec(), idempotencyKey: null };
  const inputs = Array.from({ length: MAX_BATCH_COUNT + 1 }, () => input);
  await assert.rejects(createJobs(testDeps(), ALICE, inputs), { message: /at most 10000/ });
});

test("a waiting job is cancelled at once; cancelling it again, or after its end, changes nothing", async () => {
  const deps = testDeps();
  const job = await submit(deps);
  const cancelled = await cancelJob(deps, ALICE, job.id);
  assert.equal(cancelled.state, "cancelled");
  assert.equal(cancelled.outcome?.message, "cancelled by alice");
  assert.deepEqual(await cancelJob(deps, ALICE, job.id), cancelled);
});

test("a running job is cancelled through its worker, which is told once", async () => {
  const deps = testDeps();
  const { peer } = await connectedWorker(deps);
  const { job, ref } = await running(deps, peer);
  const asked = await cancelJob(deps, ALICE, job.id);
  assert.equal(asked.state, "running");
  assert.deepEqual(await cancelJob(deps, ALICE, job.id), asked);
  await dispatchAssignments(deps);
  await dispatchAssignments(deps);
  await settled();
  assert.deepEqual(peer.of("cancel_attempt"), [{ type: "cancel_attempt", ref }]);
  const outcome = {
    reason: "cancelled_by",
    exitCode: null,
    signal: "SIGTERM",
    message: "",
  } as const;
  await peer.session.receive(finish(ref, outcome));
  await settled();
  assert.equal((await find(deps, job)).state, "cancelled");
});

test("a job that succeeded although its cancel was asked for has succeeded", async () => {
  const deps = testDeps();
  const { peer } = await connectedWorker(deps);
  const { job, ref } = await running(deps, peer);
  await cancelJob(deps, ALICE, job.id);
  await peer.session.receive(finish(ref, COMPLETED));
  await settled();
  assert.equal((await find(deps, job)).state, "succeeded");
});

test("retry makes a new job of a finished one and refuses an unfinished one", async () => {
  const deps = testDeps();
  const job = await submit(deps, { labels: { team: "a" } });
  await assert.rejects(retryJob(deps, ALICE, job.id, null), { reason: "job_not_finished" });
  await cancelJob(deps, ALICE, job.id);
  const again = await retryJob(deps, ALICE, job.id, null);
  assert.notEqual(again.id, job.id);
  assert.equal(again.state, "pending");
  assert.deepEqual(again.labels, { team: "a" });
});

test("another tenant's job is not there", async () => {
  const deps = testDeps();
  const { id } = await submit(deps);
  const refused = { code: "not_found", reason: "job_not_found" };
  await assert.rejects(getJob(deps, MALLORY, id), refused);
  await assert.rejects(cancelJob(deps, MALLORY, id), refused);
  await assert.rejects(retryJob(deps, MALLORY, id, null), refused);
  await assert.rejects(explainJob(deps, MALLORY, id), refused);
  assert.equal((await listJobs(deps, MALLORY, {}, FIRST_PAGE)).items.length, 0);
  await assert.rejects(getJob(deps, ALICE, UNKNOWN), refused);
});

test("a watch shows the job as it is, each change, and ends with it", async () => {
  const deps = testDeps();
  const { id } = await submit(deps);
  const states: string[] = [];
  const stop = new AbortController();
  for await (const job of watchJob(deps, ALICE, id, stop.signal)) {
    states.push(job.state);
    if (job.state === "pending") await cancelJob(deps, ALICE, id);
  }
  assert.deepEqual(states, ["pending", "cancelled"]);
});

test("explain says where a job runs, and how it ended with what to do next", async () => {
  const deps = testDeps();
  const { workerId, peer } = await connectedWorker(deps);
  const { job, ref } = await running(deps, peer);
  const placed = await explainJob(deps, ALICE, job.id);
  assert.equal(placed.summary, `Attempt 1 is running on worker ${workerId}.`);
  assert.equal(placed.scores[0]?.workerId, workerId);
  const message = "The kernel ended it.";
  const outcome = { reason: "oom_killed", exitCode: null, signal: "SIGKILL", message } as const;
  await peer.session.receive(finish(ref, outcome));
  await settled();
  const ended = await explainJob(deps, ALICE, job.id);
  assert.equal(
    ended.summary,
    "failed (oom_killed): The kernel ended it. Ask for more memory, or make the command need less.",
  );
});

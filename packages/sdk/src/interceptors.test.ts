import assert from "node:assert/strict";
import { test } from "node:test";
import { create } from "@bufbuild/protobuf";
import { Code, ConnectError, type ConnectRouter, createRouterTransport } from "@connectrpc/connect";
import {
  type CreateJobRequest,
  CreateJobRequestSchema,
  JobService,
} from "@hodei/proto/hodei/v1/job_service";
import { WorkerAdminService } from "@hodei/proto/hodei/v1/worker_admin_service";
import { createClientOver } from "./client.ts";
import { fillIdempotencyKeys, retryUnavailable, sendToken, TRIES_MAX } from "./interceptors.ts";
import type { JobSpecInit } from "./messages.ts";

const clientOf = (routes: (router: ConnectRouter) => void) =>
  createClientOver(
    createRouterTransport(routes, {
      transport: { interceptors: [fillIdempotencyKeys, retryUnavailable, sendToken("s3cret")] },
    }),
  );

/** A job service whose first `failures` answers are `code`; `seen` holds what it was asked. */
function failingFirst(failures: number, code = Code.Unavailable) {
  const seen: CreateJobRequest[] = [];
  const client = clientOf((router) =>
    router.service(JobService, {
      createJob(request) {
        seen.push(request);
        if (seen.length <= failures) throw new ConnectError("not now", code);
        return { job: { id: "a" } };
      },
    }),
  );
  return { client, seen };
}

const spec: JobSpecInit = { work: { case: "command", value: { argv: ["true"] } } };

test("a create is repeated with the same key until the server is back", async () => {
  const { client, seen } = failingFirst(2);
  const { job } = await client.jobs.createJob({ spec });
  assert.equal(job?.id, "a");
  assert.equal(seen.length, 3);
  assert.equal(new Set(seen.map((request) => request.idempotencyKey)).size, 1);
  assert.match(seen[0]?.idempotencyKey ?? "", /^[0-9a-f-]{36}$/);
});

test("two creates with one message get two keys, and the message is left alone", async () => {
  const { client, seen } = failingFirst(0);
  const request = create(CreateJobRequestSchema, { spec });
  await client.jobs.createJob(request);
  await client.jobs.createJob(request);
  assert.notEqual(seen[0]?.idempotencyKey, seen[1]?.idempotencyKey);
  assert.equal(request.idempotencyKey, "");
});

test("a key of the caller's is kept", async () => {
  const { client, seen } = failingFirst(0);
  await client.jobs.createJob({ spec, idempotencyKey: "mine" });
  assert.equal(seen[0]?.idempotencyKey, "mine");
});

test("every job of a batch gets its own key", async () => {
  let keys: string[] = [];
  const client = clientOf((router) =>
    router.service(JobService, {
      createJobs({ jobs }) {
        keys = jobs.map((job) => job.idempotencyKey);
        return {};
      },
    }),
  );
  await client.jobs.createJobs({ jobs: [{ spec }, { spec, idempotencyKey: "b" }, { spec }] });
  assert.equal(keys[1], "b");
  assert.equal(new Set(keys).size, 3);
});

test("it gives up after TRIES_MAX tries", async () => {
  const { client, seen } = failingFirst(Number.POSITIVE_INFINITY);
  await assert.rejects(client.jobs.createJob({ spec }), { code: "unavailable" });
  assert.equal(seen.length, TRIES_MAX);
});

test("a refusal is not repeated", async () => {
  const { client, seen } = failingFirst(1, Code.InvalidArgument);
  await assert.rejects(client.jobs.createJob({ spec }), { code: "invalid_argument" });
  assert.equal(seen.length, 1);
});

test("a call that may not be repeated is sent once", async () => {
  let calls = 0;
  const client = clientOf((router) =>
    router.service(WorkerAdminService, {
      createJoinToken() {
        calls += 1;
        throw new ConnectError("not now", Code.Unavailable);
      },
    }),
  );
  await assert.rejects(client.workers.createJoinToken({}), { code: "unavailable" });
  assert.equal(calls, 1);
});

test("the token travels as a bearer token", async () => {
  let header: string | null = null;
  const client = clientOf((router) =>
    router.service(JobService, {
      listJobs(_, context) {
        header = context.requestHeader.get("authorization");
        return {};
      },
    }),
  );
  await client.jobs.listJobs({});
  assert.equal(header, "Bearer s3cret");
});

test("a unary call that is not answered ends with its time-out", async () => {
  const client = createClientOver(
    createRouterTransport((router) =>
      router.service(JobService, { listJobs: () => new Promise(() => {}) }),
    ),
    { timeoutMs: 20 },
  );
  await assert.rejects(client.jobs.listJobs({}), { code: "deadline_exceeded" });
});

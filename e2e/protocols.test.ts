import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { promisify } from "node:util";
import { createClient } from "@connectrpc/connect";
import { createGrpcWebTransport } from "@connectrpc/connect-node";
import { ExitReason, JobState } from "@hodei/proto/hodei/v1/job";
import { JobService } from "@hodei/proto/hodei/v1/job_service";
import { LogService } from "@hodei/proto/hodei/v1/log_service";
import { waitFor } from "@hodei/testkit";
import { ROOT } from "../tools/repository.ts";
import { ServerProcess } from "./server-process.ts";

const BUF = join(ROOT, "node_modules/.bin/buf");
const PUBLIC_SERVICES = [
  "grpc.health.v1.Health",
  "grpc.reflection.v1.ServerReflection",
  "grpc.reflection.v1alpha.ServerReflection",
  "hodei.v1.EventService",
  "hodei.v1.JobService",
  "hodei.v1.LogService",
  "hodei.v1.SecretService",
  "hodei.v1.WorkerAdminService",
];
const JOB_DEADLINE_MS = 60_000;

let server: ServerProcess;
let url: string;
let authorization: string;

before(async () => {
  server = await ServerProcess.create(["--local-workers-max", "1"]);
  await server.start();
  url = String(server.logged("server_ready")?.publicUrl);
  const token = await readFile(join(server.dataDir, "api-token"), "utf8");
  authorization = `Bearer ${token.trim()}`;
});

after(() => server.dispose());

/** What the foreign client prints; it knows the contract from reflection alone. */
async function buf(...args: string[]): Promise<string> {
  const grpc = ["--protocol", "grpc", "--http2-prior-knowledge"];
  return (await promisify(execFile)(BUF, ["curl", ...grpc, ...args])).stdout;
}

const callWithBuf = (method: string, request: unknown) =>
  buf(
    ...["--header", `authorization: ${authorization}`],
    ...["--data", JSON.stringify(request)],
    `${url}/${method}`,
  );

async function post(method: string, request: unknown, headers: Record<string, string> = {}) {
  const response = await fetch(`${url}/${method}`, {
    method: "POST",
    headers: { "content-type": "application/json", ...headers },
    body: JSON.stringify(request),
  });
  return { response, answer: (await response.json()) as Record<string, unknown> };
}

async function callWithJson<Answer>(method: string, request: unknown): Promise<Answer> {
  const { response, answer } = await post(method, request, { authorization });
  assert.equal(response.status, 200, JSON.stringify(answer));
  return answer as Answer;
}

interface JsonJob {
  readonly id: string;
  readonly state: string;
  readonly outcome?: { readonly reason: string; readonly exitCode?: number };
}

test("buf lists the services by reflection, without a token and without files", async () => {
  const listed = (await buf("--list-services", url)).trim().split("\n");
  assert.deepEqual(listed, PUBLIC_SERVICES);
  const methods = await buf("--list-methods", url);
  assert.match(methods, /^hodei\.v1\.JobService\/CreateJob$/m);
});

test("buf runs a job through gRPC and watches it to its end", async () => {
  const request = { spec: { command: { argv: ["bash", "-c", "echo by grpc; exit 4"] } } };
  const created = await callWithBuf("hodei.v1.JobService/CreateJob", request);
  const { job } = JSON.parse(created) as { job: JsonJob };
  assert.equal(job.state, "JOB_STATE_PENDING");
  const watched = await callWithBuf("hodei.v1.JobService/WatchJob", { jobId: job.id });
  const last = JSON.parse(watched.slice(watched.lastIndexOf("\n{") + 1)) as { job: JsonJob };
  assert.equal(last.job.state, "JOB_STATE_FAILED");
  assert.deepEqual(
    [last.job.outcome?.reason, last.job.outcome?.exitCode],
    ["EXIT_REASON_NON_ZERO_EXIT", 4],
  );
});

test("a job runs through JSON over HTTP/1.1", async () => {
  const { job } = await callWithJson<{ job: JsonJob }>("hodei.v1.JobService/CreateJob", {
    spec: { name: "by-json", script: { content: "cat" }, stdin: btoa("by json\n") },
    idempotencyKey: "protocols-json",
  });
  const ended = await waitFor(
    async () => {
      const found = await callWithJson<{ job: JsonJob }>("hodei.v1.JobService/GetJob", {
        jobId: job.id,
      });
      return found.job.outcome === undefined ? undefined : found.job;
    },
    { timeoutMs: JOB_DEADLINE_MS, what: "the end of the job" },
  );
  assert.equal(ended.state, "JOB_STATE_SUCCEEDED");
  const log = await callWithJson<{ chunks: { data: string }[]; complete: boolean }>(
    "hodei.v1.LogService/GetLogs",
    { jobId: job.id },
  );
  assert.equal(log.chunks.map(({ data }) => atob(data)).join(""), "by json\n");
  assert.equal(log.complete, true);
});

test("a call without side effects may be a GET, as caches and browsers know it", async () => {
  const query = new URLSearchParams({ connect: "v1", encoding: "json", message: "{}" });
  const response = await fetch(`${url}/hodei.v1.JobService/ListJobs?${query}`, {
    headers: { authorization },
  });
  assert.equal(response.status, 200);
  assert.ok(Array.isArray(((await response.json()) as { jobs: unknown }).jobs));
});

test("a job runs through gRPC-Web, with its streams", async () => {
  const transport = createGrpcWebTransport({
    baseUrl: url,
    httpVersion: "1.1",
    interceptors: [
      (next) => (request) => {
        request.header.set("authorization", authorization);
        return next(request);
      },
    ],
  });
  const jobs = createClient(JobService, transport);
  const logs = createClient(LogService, transport);
  const { job } = await jobs.createJob({
    spec: { work: { case: "command", value: { argv: ["echo", "by grpc-web"] } } },
  });
  assert.ok(job);
  const decoder = new TextDecoder();
  let output = "";
  for await (const { chunks } of logs.tailLogs({ jobId: job.id, follow: true })) {
    for (const { data } of chunks) output += decoder.decode(data, { stream: true });
  }
  const states: JobState[] = [];
  for await (const { job: changed } of jobs.watchJob({ jobId: job.id })) {
    states.push(changed?.state ?? JobState.UNSPECIFIED);
    if (changed?.state === JobState.SUCCEEDED) {
      assert.equal(changed.outcome?.reason, ExitReason.COMPLETED);
    }
  }
  assert.equal(output, "by grpc-web\n");
  assert.equal(states.at(-1), JobState.SUCCEEDED);
});

test("without a token, or with another one, nothing is told and nothing is stored", async () => {
  const spec = { command: { argv: ["touch", "/nowhere"] } };
  for (const headers of [{}, { authorization: "Bearer not-the-token" }]) {
    const { response, answer } = await post("hodei.v1.JobService/CreateJob", { spec }, headers);
    assert.equal(response.status, 401);
    assert.equal(answer.code, "unauthenticated");
  }
  const refused = buf("--data", "{}", `${url}/hodei.v1.WorkerAdminService/ListWorkers`);
  await assert.rejects(refused, { stderr: /unauthenticated/ });
  const { jobs } = await callWithJson<{ jobs: { name: string }[] }>(
    "hodei.v1.JobService/ListJobs",
    {},
  );
  assert.ok(jobs.every(({ name }) => name !== "touch"));
});

test("health is told to everybody, by every protocol", async () => {
  const { answer } = await post("grpc.health.v1.Health/Check", {});
  assert.deepEqual(answer, { status: "SERVING" });
  const checked = await buf("--data", "{}", `${url}/grpc.health.v1.Health/Check`);
  assert.deepEqual(JSON.parse(checked), { status: "SERVING" });
});

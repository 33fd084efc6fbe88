import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { createHash, type X509Certificate } from "node:crypto";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { after, before, suite, test } from "node:test";
import { connect } from "node:tls";
import { fileURLToPath } from "node:url";
import {
  Code,
  ConnectError,
  createClient,
  type Interceptor,
  type Transport,
} from "@connectrpc/connect";
import {
  createConnectTransport,
  createGrpcTransport,
  createGrpcWebTransport,
  Http2SessionManager,
} from "@connectrpc/connect-node";
import { MAX_SPEC_BYTES, parseJobId } from "@hodei/domain";
import {
  Health,
  HealthCheckResponse_ServingStatus as Status,
} from "@hodei/proto/grpc/health/v1/health";
import { EventService } from "@hodei/proto/hodei/v1/event_service";
import { JobState } from "@hodei/proto/hodei/v1/job";
import { JobService } from "@hodei/proto/hodei/v1/job_service";
import { LogService } from "@hodei/proto/hodei/v1/log_service";
import { WorkerState } from "@hodei/proto/hodei/v1/worker";
import { WorkerAdminService } from "@hodei/proto/hodei/v1/worker_admin_service";
import {
  ALICE,
  assign,
  COMPLETED,
  connectedWorker,
  finish,
  logBatch,
  settled,
  testDeps,
} from "../../application/fixtures.test.ts";
import { openCertificateAuthority } from "../../infrastructure/tls/certificate-authority.ts";
import { HealthState } from "./health.ts";
import type { HttpListener } from "./http-listener.ts";
import { createPublicListener, type PublicListenerOptions } from "./public-listener.ts";

const BUF = fileURLToPath(new URL("../../../../../node_modules/.bin/buf", import.meta.url));
const TOKEN = "a-secret-token";
const UNKNOWN_ID = "00000000-0000-7000-8000-0000000000ff";
const COMMAND = { case: "command" as const, value: { argv: ["true"] } };

const withToken: Interceptor = (next) => (request) => {
  request.header.set("authorization", `Bearer ${TOKEN}`);
  return next(request);
};

suite("public listener", () => {
  const deps = testDeps();
  const health = new HealthState();
  let listener: HttpListener;
  let url: string;

  function create(options: Partial<PublicListenerOptions> = {}): HttpListener {
    const hash = createHash("sha256").update(TOKEN).digest("hex");
    return createPublicListener(deps, {
      host: "127.0.0.1",
      port: 0,
      tokens: [{ hash, principal: ALICE }],
      health,
      version: "1.2.3",
      ...options,
    });
  }

  before(async () => {
    health.set("", "serving");
    listener = create();
    await listener.start();
    url = `http://127.0.0.1:${listener.address.port}`;
  });
  after(() => listener.stop());

  async function postJson(method: string, body: unknown, headers: Record<string, string> = {}) {
    const response = await fetch(`${url}/${method}`, {
      method: "POST",
      headers: {
        "content-type": "application/json",
        authorization: `Bearer ${TOKEN}`,
        ...headers,
      },
      body: typeof body === "string" ? body : JSON.stringify(body),
    });
    return { response, json: JSON.parse(await response.text()) as Record<string, unknown> };
  }

  const open = (interceptors = [withToken]) => createGrpcTransport({ baseUrl: url, interceptors });

  const transports: Record<string, () => Transport> = {
    gRPC: open,
    "gRPC-Web": () =>
      createGrpcWebTransport({ baseUrl: url, httpVersion: "1.1", interceptors: [withToken] }),
    Connect: () =>
      createConnectTransport({ baseUrl: url, httpVersion: "2", interceptors: [withToken] }),
    "Connect with JSON over HTTP/1.1": () =>
      createConnectTransport({
        baseUrl: url,
        httpVersion: "1.1",
        useBinaryFormat: false,
        interceptors: [withToken],
      }),
  };
  for (const [name, createTransport] of Object.entries(transports)) {
    test(`a job's life over ${name}`, async () => {
      const transport = createTransport();
      const jobs = createClient(JobService, transport);
      const logs = createClient(LogService, transport);
      const { peer, workerId } = await connectedWorker(deps);
      const { job } = await jobs.createJob({ spec: { work: COMMAND, name: "life" } });
      assert.equal(job?.state, JobState.PENDING);
      const jobId = job.id;
      const states: JobState[] = [];
      const watching = (async () => {
        for await (const { job } of jobs.watchJob({ jobId })) states.push(job?.state ?? 0);
      })();
      const written: string[] = [];
      const tailing = (async () => {
        for await (const { chunks } of logs.tailLogs({ jobId, follow: true })) {
          for (const { data } of chunks) written.push(Buffer.from(data).toString());
        }
      })();
      const stored = await deps.database.readers.jobs.get(parseJobId(jobId));
      const ref = await assign(deps, peer, stored);
      await peer.session.receive({ type: "attempt_started", ref });
      await peer.session.receive({ type: "log_batch", batch: logBatch(ref, 0, "hello\n") });
      await peer.session.receive(finish(ref, COMPLETED, 6));
      await Promise.all([watching, tailing]);
      assert.equal(states.at(-1), JobState.SUCCEEDED);
      assert.equal(written.join(""), "hello\n");
      const { spec, attempts } = await jobs.getJob({ jobId });
      assert.equal(spec?.name, "life");
      assert.equal(attempts[0]?.workerId, workerId);
      const read = await logs.getLogs({ jobId });
      assert.deepEqual([read.attempt, read.nextOffset, read.complete], [1, 6n, true]);
      await peer.session.close("done");
      await settled();
    });
  }

  test("create many, list by pages, cancel, retry, explain", async () => {
    const jobs = createClient(JobService, open());
    const request = { spec: { work: COMMAND, labels: { batch: "b1" } } };
    const { jobIds } = await jobs.createJobs({ jobs: [request, request, request] });
    assert.equal(jobIds.length, 3);
    const filter = { labels: { batch: "b1" } };
    const first = await jobs.listJobs({ filter, pageSize: 2 });
    const pageToken = first.nextPageToken;
    const second = await jobs.listJobs({ filter, pageSize: 2, pageToken });
    assert.equal(second.nextPageToken, "");
    const listed = [...first.jobs, ...second.jobs].map(({ id }) => id);
    assert.deepEqual(new Set(listed), new Set(jobIds));
    const [jobId = ""] = jobIds;
    const explained = await jobs.explainJob({ jobId });
    assert.match(explained.summary, /^Waits: /);
    assert.ok(explained.reasons.length > 0);
    const cancelled = await jobs.cancelJob({ jobId });
    assert.equal(cancelled.job?.state, JobState.CANCELLED);
    assert.deepEqual((await jobs.cancelJob({ jobId })).job, cancelled.job);
    const retried = await jobs.retryJob({ jobId });
    assert.notEqual(retried.job?.id, jobId);
    assert.equal(retried.job?.labels.batch, "b1");
  });

  test("an idempotency key makes one job", async () => {
    const jobs = createClient(JobService, open());
    const request = { spec: { work: COMMAND }, idempotencyKey: "k1" };
    const [first, second] = [await jobs.createJob(request), await jobs.createJob(request)];
    assert.equal(second.job?.id, first.job?.id);
    const other = { ...request, spec: { work: COMMAND, name: "other" } };
    await assert.rejects(jobs.createJob(other), hasCode(Code.AlreadyExists));
  });

  test("workers are listed, shown and drained; tokens are made", async () => {
    const admin = createClient(WorkerAdminService, open());
    const { workerId, peer } = await connectedWorker(deps);
    const { workers } = await admin.listWorkers({ states: [WorkerState.READY] });
    assert.ok(workers.some(({ id }) => id === workerId));
    assert.equal((await admin.getWorker({ workerId })).worker?.hostname, "worker-1.test");
    const { worker } = await admin.drainWorker({ workerId });
    assert.equal(worker?.state, WorkerState.DRAINING);
    const { joinToken, expiresAt } = await admin.createJoinToken({ ttl: { seconds: 60n } });
    assert.ok(joinToken.length > 16);
    assert.equal(Number(expiresAt?.seconds), deps.clock.now().getTime() / 1000 + 60);
    assert.deepEqual((await admin.listWorkers({ states: [WorkerState.BUSY] })).workers, []);
    await peer.session.close("done");
  });

  test("events are listed from a cursor and watched", async () => {
    const transport = open();
    const events = createClient(EventService, transport);
    const jobs = createClient(JobService, transport);
    const { job } = await jobs.createJob({ spec: { work: COMMAND } });
    const filter = { subjectId: job?.id ?? "" };
    const listed = await events.listEvents({ filter });
    assert.deepEqual(
      listed.events.map(({ type }) => type),
      ["job.created"],
    );
    const abort = new AbortController();
    const cursor = listed.nextCursor;
    const watched = events.watchEvents({ filter, cursor }, { signal: abort.signal });
    const iterator = watched[Symbol.asyncIterator]();
    const next = iterator.next();
    await jobs.cancelJob({ jobId: job?.id ?? "" });
    assert.equal((await next).value?.event?.type, "job.cancelled");
    abort.abort();
    await assert.rejects(iterator.next());
  });

  suite("JSON over HTTP/1.1", () => {
    test("a job by fetch", async () => {
      const spec = { command: { argv: ["echo", "hi"] }, timeouts: { run: "60s" } };
      const created = await postJson("hodei.v1.JobService/CreateJob", { spec });
      assert.equal(created.response.status, 200);
      const job = created.json.job as { id: string; state: string };
      assert.equal(job.state, "JOB_STATE_PENDING");
      const got = await postJson("hodei.v1.JobService/GetJob", { jobId: job.id });
      const { timeouts } = got.json.spec as { timeouts: { run: string } };
      assert.equal(timeouts.run, "60s");
      assert.equal(created.response.headers.get("x-content-type-options"), "nosniff");
      assert.equal(created.response.headers.get("access-control-allow-origin"), null);
    });

    test("a read by GET", async () => {
      const message = encodeURIComponent(JSON.stringify({ pageSize: 1 }));
      const query = `connect=v1&encoding=json&message=${message}`;
      const response = await fetch(`${url}/hodei.v1.JobService/ListJobs?${query}`, {
        headers: { authorization: `Bearer ${TOKEN}` },
      });
      assert.equal(response.status, 200);
      assert.ok(Array.isArray(((await response.json()) as { jobs: unknown }).jobs));
    });

    test("errors say what is wrong, with a reason", async () => {
      const { response, json } = await postJson("hodei.v1.JobService/GetJob", {
        jobId: UNKNOWN_ID,
      });
      assert.equal(response.status, 404);
      assert.equal(json.code, "not_found");
      assert.equal(response.headers.get("hodei-reason"), "job_not_found");
    });

    test("bad JSON and misspelt fields are refused", async () => {
      const method = "hodei.v1.JobService/CreateJob";
      for (const [body, message] of [
        ["{", /JSON/],
        ['{"sepc":{}}', /sepc/],
        ['{"spec":{"command":{"argv":["true"]},"timeout":"1s"}}', /timeout/],
        ['{"spec":{"command":{"argv":"true"}}}', /argv/],
      ] as const) {
        const { response, json } = await postJson(method, body);
        assert.equal(response.status, 400, body);
        assert.match(String(json.message), message);
      }
    });

    test("no token, no entry; and the body is not looked at", async () => {
      const method = "hodei.v1.JobService/CreateJob";
      const { response, json } = await postJson(method, "{", { authorization: "" });
      assert.equal(response.status, 401);
      assert.match(String(json.message), /authorization: Bearer <token>/);
    });

    test("another path, another method, a preflight", async () => {
      assert.equal((await fetch(url)).status, 404);
      const path = `${url}/hodei.v1.JobService/CreateJob`;
      assert.equal((await fetch(path)).status, 405);
      const preflight = await fetch(path, { method: "OPTIONS" });
      assert.equal(preflight.headers.get("access-control-allow-origin"), null);
      assert.ok(!preflight.ok);
    });
  });

  suite("refusals", () => {
    test("every service but health and reflection needs the token", async () => {
      const transport = open([]);
      const { status } = await createClient(Health, transport).check({});
      assert.equal(status, Status.SERVING);
      for (const service of [JobService, LogService, WorkerAdminService, EventService]) {
        for (const { name } of service.methods) {
          const response = await fetch(`${url}/${service.typeName}/${name}`, {
            method: "POST",
            headers: { "content-type": "application/json" },
            body: "{}",
          });
          // Streams have a content type of their own.
          assert.ok([401, 415].includes(response.status), name);
        }
      }
      const stream = createClient(EventService, transport).watchEvents({});
      await assert.rejects(stream[Symbol.asyncIterator]().next(), hasCode(Code.Unauthenticated));
    });

    test("what is not acted on yet, and a spec that is too large", async () => {
      const jobs = createClient(JobService, open());
      const container = { case: "container" as const, value: { image: "alpine" } };
      await assert.rejects(jobs.createJob({ spec: { work: container } }), (error: unknown) => {
        assert.match(ConnectError.from(error).message, /spec\.container/);
        return ConnectError.from(error).code === Code.Unimplemented;
      });
      const stdin = new Uint8Array(MAX_SPEC_BYTES);
      await assert.rejects(jobs.createJob({ spec: { work: COMMAND, stdin } }), (error: unknown) => {
        assert.match(ConnectError.from(error).message, /1048\d{3} bytes.*1048576/);
        return ConnectError.from(error).code === Code.InvalidArgument;
      });
    });

    test("a request above the limit, not one just below; a time-out that is too long", async () => {
      const body = JSON.stringify({ spec: { name: "x".repeat(21 * 1024 * 1024) } });
      const { json } = await postJson("hodei.v1.JobService/CreateJob", body);
      assert.equal(json.code, "resource_exhausted");
      const jobs = createClient(JobService, open());
      const large = { spec: { work: COMMAND, stdin: new Uint8Array(1_000_000) } };
      const sent = await jobs.createJobs({ jobs: Array.from({ length: 18 }, () => large) });
      assert.equal(sent.jobIds.length, 18);
      const timeoutMs = 25 * 3_600_000;
      await assert.rejects(jobs.listJobs({}, { timeoutMs }), hasCode(Code.InvalidArgument));
    });

    test("watch and tail of a job that never existed", async () => {
      const transport = open();
      const watched = createClient(JobService, transport).watchJob({ jobId: UNKNOWN_ID });
      const tailed = createClient(LogService, transport).tailLogs({ jobId: UNKNOWN_ID });
      for (const stream of [watched, tailed]) {
        await assert.rejects(stream[Symbol.asyncIterator]().next(), hasCode(Code.NotFound));
      }
    });
  });

  suite("buf curl", () => {
    async function curl(...args: string[]): Promise<string> {
      const child = spawn(BUF, ["curl", ...args], { stdio: ["ignore", "pipe", "pipe"] });
      const [out, err] = await Promise.all([text(child.stdout), text(child.stderr)]);
      assert.equal(err, "");
      return out;
    }

    const cleartext = ["--http2-prior-knowledge"];
    const authorized = ["-H", `authorization: Bearer ${TOKEN}`];

    test("lists the services by reflection", async () => {
      const listed = await curl(...cleartext, "--list-services", url);
      for (const { typeName } of [
        JobService,
        LogService,
        WorkerAdminService,
        EventService,
        Health,
      ]) {
        assert.match(listed, new RegExp(`^${typeName.replaceAll(".", "\\.")}$`, "m"));
      }
    });

    for (const protocol of ["grpc", "grpcweb", "connect"]) {
      test(`creates and gets a job by ${protocol}, knowing the contract by reflection only`, async () => {
        const flags = [...cleartext, ...authorized, "--protocol", protocol];
        const data = JSON.stringify({ spec: { command: { argv: ["true"] } } });
        const created = await curl(...flags, "-d", data, `${url}/hodei.v1.JobService/CreateJob`);
        const { job } = JSON.parse(created) as { job: { id: string } };
        const jobId = JSON.stringify({ jobId: job.id });
        const got = await curl(...flags, "-d", jobId, `${url}/hodei.v1.JobService/GetJob`);
        assert.equal((JSON.parse(got) as { spec: { name: string } }).spec.name, "true");
      });
    }

    test("speaks HTTP/1.1 to the same port", async () => {
      const method = `${url}/grpc.health.v1.Health/Check`;
      const schema = fileURLToPath(new URL("../../../../proto", import.meta.url));
      const checked = await curl("--schema", schema, "--protocol", "connect", "-d", "{}", method);
      assert.deepEqual(JSON.parse(checked), { status: "SERVING" });
    });
  });

  suite("over TLS", () => {
    test("a certificate that cannot be used is refused with what it takes", async () => {
      const base = await mkdtemp(join(tmpdir(), "hodei-public-"));
      const authority = await openCertificateAuthority(join(base, "ca"));
      await rm(base, { recursive: true, force: true });
      const [one, other] = [
        await authority.issueServerCertificate([]),
        await authority.issueServerCertificate([]),
      ];
      const unusable = { code: "failed_precondition", reason: "certificate_unusable" };
      for (const certificate of [
        { keyPem: "", chainPem: "no PEM" },
        { keyPem: one.keyPem, chainPem: other.chainPem },
      ]) {
        assert.throws(() => create({ certificate }), unusable);
      }
      const secure = create({ certificate: one });
      assert.throws(() => secure.setCertificate({ ...one, keyPem: other.keyPem }), unusable);
    });

    test("serves HTTP/1.1 and HTTP/2 by ALPN, and another certificate without cutting streams", async () => {
      const base = await mkdtemp(join(tmpdir(), "hodei-public-"));
      const authority = await openCertificateAuthority(join(base, "ca"));
      const secure = create({ certificate: await authority.issueServerCertificate([]) });
      try {
        await secure.start();
        const baseUrl = `https://localhost:${secure.address.port}`;
        const ca = authority.rootPem;
        const http1 = createConnectTransport({ baseUrl, httpVersion: "1.1", nodeOptions: { ca } });
        assert.ok(await createClient(Health, http1).check({}));
        const connection = new Http2SessionManager(baseUrl, {}, { ca });
        const http2 = createGrpcTransport({ baseUrl, sessionManager: connection });
        const watched = createClient(Health, http2).watch({ service: "tls" });
        const statuses = watched[Symbol.asyncIterator]();
        await statuses.next();
        const { raw: shown } = await certificateOf(secure, ca);
        secure.setCertificate(await authority.issueServerCertificate([]));
        assert.notDeepEqual((await certificateOf(secure, ca)).raw, shown);
        health.set("tls", "serving");
        assert.equal((await statuses.next()).value?.status, Status.SERVING);
        connection.abort();
      } finally {
        await secure.stop();
        await rm(base, { recursive: true, force: true });
      }
    });
  });
});

/** The certificate that a new connection to `listener` is shown. */
async function certificateOf(listener: HttpListener, ca: string): Promise<X509Certificate> {
  const socket = connect({ port: listener.address.port, servername: "localhost", ca });
  try {
    await once(socket, "secureConnect");
    const certificate = socket.getPeerX509Certificate();
    assert.ok(certificate);
    return certificate;
  } finally {
    socket.destroy();
  }
}

function hasCode(code: Code): (error: unknown) => boolean {
  return (error) => {
    assert.equal(ConnectError.from(error).code, code, String(error));
    return true;
  };
}

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { after, before, suite, test } from "node:test";
import { ConnectError, createClient, type Interceptor, type Transport } from "@connectrpc/connect";
import {
  createConnectTransport,
  createGrpcTransport,
  createGrpcWebTransport,
} from "@connectrpc/connect-node";
import { RetryInfoSchema } from "@hodei/proto/google/rpc/error_details";
import { JobService } from "@hodei/proto/hodei/v1/job_service";
import { waitFor } from "@hodei/testkit";
import { ALICE, testDeps } from "../../application/fixtures.test.ts";
import { HealthState } from "./health.ts";
import type { HttpListener } from "./http-listener.ts";
import { createPublicListener } from "./public-listener.ts";

const TOKEN = "a-secret-token";
const COMMAND = { case: "command" as const, value: { argv: ["true"] } };

const withToken: Interceptor = (next) => (request) => {
  request.header.set("authorization", `Bearer ${TOKEN}`);
  return next(request);
};

suite("with room for one call and one stream", () => {
  let listener: HttpListener;
  before(async () => {
    const hash = createHash("sha256").update(TOKEN).digest("hex");
    listener = createPublicListener(testDeps(), {
      host: "127.0.0.1",
      port: 0,
      tokens: [{ hash, principal: ALICE }],
      health: new HealthState(),
      version: "1.2.3",
      callLimits: { unaryMax: 1, streamMax: 1 },
    });
    await listener.start();
  });
  after(() => listener.stop());

  const options = () => ({
    baseUrl: `http://127.0.0.1:${listener.address.port}`,
    interceptors: [withToken],
  });
  const transports: Record<string, () => Transport> = {
    gRPC: () => createGrpcTransport(options()),
    "gRPC-Web": () => createGrpcWebTransport({ ...options(), httpVersion: "1.1" }),
    Connect: () => createConnectTransport({ ...options(), httpVersion: "1.1" }),
  };
  for (const [name, createTransport] of Object.entries(transports)) {
    test(`calls over ${name} give their room back, however they end`, async () => {
      const jobs = createClient(JobService, createTransport());
      const { job } = await jobs.createJob({ spec: { work: COMMAND } });
      const jobId = job?.id ?? "";
      await assert.rejects(jobs.getJob({ jobId: "no id" }), /invalid_argument/);
      await assert.rejects(jobs.getJob({ jobId: jobId.replace(/.{12}$/, "0".repeat(12)) }));
      await jobs.getJob({ jobId });

      const abort = new AbortController();
      const stream = jobs.watchJob({ jobId }, { signal: abort.signal })[Symbol.asyncIterator]();
      await stream.next();
      const refused = jobs.watchJob({ jobId })[Symbol.asyncIterator]().next();
      await assert.rejects(refused, (error: unknown) => {
        assert.ok(error instanceof ConnectError);
        assert.match(error.message, /unavailable.*1 calls are under way/);
        return error.findDetails(RetryInfoSchema).length === 1;
      });
      await jobs.getJob({ jobId });
      abort.abort();
      await assert.rejects(stream.next());
      await jobs.cancelJob({ jobId });
      await waitFor(async () => {
        try {
          for await (const _ of jobs.watchJob({ jobId }));
          return true;
        } catch (error) {
          assert.match(String(error), /under way/);
          return false;
        }
      });
    });
  }
});

import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { durationMs } from "@bufbuild/protobuf/wkt";
import {
  Code,
  ConnectError,
  createClient,
  createRouterTransport,
  type ServiceImpl,
} from "@connectrpc/connect";
import { type ErrorCode, PlatformError, RETRYABLE_CODES } from "@hodei/domain";
import { RetryInfoSchema } from "@hodei/proto/google/rpc/error_details";
import { JobService } from "@hodei/proto/hodei/v1/job_service";
import { SequenceIds } from "@hodei/testkit";
import { recordLog } from "./listener-fixtures.test.ts";
import { REASON_HEADER, translateErrors } from "./translate-errors.ts";

function serve(implementation: Partial<ServiceImpl<typeof JobService>>) {
  const log = recordLog();
  const interceptors = [translateErrors({ log, ids: new SequenceIds() })];
  const transport = createRouterTransport((router) => router.service(JobService, implementation), {
    router: { interceptors },
  });
  return { log, client: createClient(JobService, transport) };
}

/** Both kinds of calls fail with `failure`. */
function serveFailure(failure: unknown) {
  const { log, client } = serve({
    getJob: () => {
      throw failure;
    },
    // biome-ignore lint/correctness/useYield: fails before its first item
    async *watchJob() {
      throw failure;
    },
  });
  const calls = {
    unary: () => client.getJob({}),
    stream: () => client.watchJob({})[Symbol.asyncIterator]().next(),
  };
  return { log, calls: Object.entries(calls) };
}

async function errorOf(call: () => Promise<unknown>): Promise<ConnectError> {
  try {
    await call();
  } catch (error) {
    return ConnectError.from(error);
  }
  throw new Error("the call succeeded");
}

suite("translate errors", () => {
  test("what may be tried again unchanged says when, and nothing else does", async () => {
    for (const code of Object.keys(RETRYABLE_CODES) as ErrorCode[]) {
      const { calls } = serveFailure(new PlatformError(code, "a_reason", "what to do"));
      for (const [, call] of calls) {
        const [info] = (await errorOf(call)).findDetails(RetryInfoSchema);
        assert.equal(info !== undefined, RETRYABLE_CODES[code], code);
        if (info !== undefined) assert.ok(durationMs(info.retryDelay ?? assert.fail()) >= 100);
      }
    }
  });

  test("every code of the domain has a status of its own", async () => {
    const statuses = new Set<Code>();
    for (const code of Object.keys(RETRYABLE_CODES) as ErrorCode[]) {
      const { calls } = serveFailure(new PlatformError(code, "a_reason", "what to do"));
      const [[, unary] = [], [, stream] = []] = calls;
      assert.ok(unary && stream);
      const status = (await errorOf(unary)).code;
      assert.equal((await errorOf(stream)).code, status);
      statuses.add(status);
    }
    assert.equal(statuses.size, Object.keys(RETRYABLE_CODES).length);
    assert.ok(!statuses.has(Code.Unknown));
  });

  test("an expected failure carries message and reason, and is not logged", async () => {
    const cause = new Error("secret detail");
    const failure = new PlatformError("not_found", "job_not_found", "there is no job", { cause });
    const { log, calls } = serveFailure(failure);
    for (const [kind, call] of calls) {
      const error = await errorOf(call);
      assert.equal(error.rawMessage, "there is no job", kind);
      assert.equal(error.metadata.get(REASON_HEADER), "job_not_found", kind);
    }
    assert.deepEqual(log.lines, []);
  });

  test("a failure in the middle of a stream is translated too", async () => {
    const { client } = serve({
      async *watchJob() {
        yield {};
        throw new PlatformError("unavailable", "gone", "come back");
      },
    });
    const responses = client.watchJob({})[Symbol.asyncIterator]();
    await responses.next();
    assert.equal((await errorOf(() => responses.next())).code, Code.Unavailable);
  });

  test("what is not expected is logged once with its cause, which the caller does not see", async () => {
    for (const failure of [
      new TypeError("secret detail"),
      new PlatformError("internal", "duplicate_key", "secret detail"),
      "secret detail",
    ]) {
      const { log, calls } = serveFailure(failure);
      for (const [kind, call] of calls) {
        const error = await errorOf(call);
        assert.equal(error.code, Code.Internal, kind);
        assert.doesNotMatch(error.rawMessage, /secret/, kind);
        assert.equal(error.metadata.get(REASON_HEADER), "internal", kind);
        const line = log.lines.at(-1);
        assert.equal(line?.event, "rpc_failed");
        assert.equal(line.fields.error, failure);
        assert.match(String(line.fields.rpc), /^hodei\.v1\.JobService\/(Get|Watch)Job$/);
        assert.ok(error.rawMessage.includes(String(line.fields.correlationId)));
      }
      assert.equal(log.lines.length, 2);
    }
  });

  test("what follows from an abort is cancelled, without noise; a bug is told all the same", async () => {
    const consequences = [
      (signal: AbortSignal) => signal.reason,
      () => new DOMException("aborted", "AbortError"),
      () => Object.assign(new Error("aborted"), { code: "ECONNRESET" }),
      () => new TypeError("a bug"),
    ];
    const codes: Code[] = [];
    const { log, client } = serve({
      async getJob({ jobId }, { signal }) {
        await new Promise((resolve) => signal.addEventListener("abort", resolve));
        throw consequences[Number(jobId)]?.(signal);
      },
    });
    for (const jobId of consequences.keys()) {
      const call = () => client.getJob({ jobId: String(jobId) }, { timeoutMs: 20 });
      codes.push((await errorOf(call)).code);
    }
    assert.deepEqual(new Set(codes), new Set([Code.DeadlineExceeded]));
    assert.deepEqual(
      log.lines.map(({ fields }) => String(fields.error)),
      ["TypeError: a bug"],
    );
  });

  test("an endless message is cut", async () => {
    const { calls } = serveFailure(
      new PlatformError("invalid_argument", "too_long", "x".repeat(100_000)),
    );
    for (const [, call] of calls) assert.equal((await errorOf(call)).rawMessage.length, 2_001);
  });
});

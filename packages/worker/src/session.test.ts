import assert from "node:assert/strict";
import { tmpdir } from "node:os";
import { describe, test } from "node:test";
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import {
  type SessionRequest,
  type SessionResponse,
  SessionResponseSchema,
} from "@hodei/proto/hodei/v1/worker_service";
import { pino } from "pino";
import { newRef } from "../test/attempt-fixture.ts";
import { scriptedStart } from "../test/scripted-run.ts";
import { temporarySpool } from "../test/temporary-spool.ts";
import { VirtualClock } from "../test/virtual-clock.ts";
import { AttemptTable } from "./attempt-table.ts";
import type { Connection } from "./connection.ts";
import { Host } from "./host.ts";
import { Session } from "./session.ts";

type Served = (
  requests: AsyncIterable<SessionRequest>,
  options: { signal: AbortSignal },
) => AsyncIterable<SessionResponse>;

const response = (message: MessageInitShape<typeof SessionResponseSchema>["message"]) =>
  create(SessionResponseSchema, { message: message ?? { case: undefined } });

const welcome = response({ case: "welcome", value: { workerId: "w" } });

/** A session whose server is `serve`. */
function setUp(serve: Served) {
  const clock = new VirtualClock();
  const log = pino({ level: "silent" });
  const { startAttempt, runs } = scriptedStart();
  const batchLimits = { segmentCount: 100, sizeBytes: 65_536, intervalMs: 250 };
  const attempts = new AttemptTable({
    clock,
    log,
    startAttempt,
    batchLimits,
    logLimitBytes: Number.POSITIVE_INFINITY,
    findObstacle: () => undefined,
    spool: temporarySpool(),
  });
  const counts = { closed: 0, drained: 0 };
  const connection = {
    client: { session: serve },
    close: () => {
      counts.closed += 1;
    },
  } as unknown as Connection;
  const limits = { minFreeDiskBytes: 0, metricsTtlMs: 0 };
  const host = new Host(
    { clock, log },
    { stateDir: tmpdir(), labels: {}, taints: {}, attemptsMax: 10, ...limits },
  );
  const onDrain = (): void => {
    counts.drained += 1;
  };
  const deps = { clock, log, attempts, host, version: "1.0.0", onDrain };
  return { clock, runs, counts, session: new Session(deps, connection) };
}

/** A server that says `responses` and ends. */
const saying = (...responses: SessionResponse[]): Served =>
  async function* () {
    yield* responses;
  };

const failing = (error: unknown): Served =>
  // biome-ignore lint/correctness/useYield: it fails before it could
  async function* () {
    throw error;
  };

describe("it ends as lost", () => {
  test("when the server does not welcome it within 10 s", async () => {
    const { clock, counts, session } = setUp(async function* (_requests, { signal }) {
      await new Promise((resolve) => signal.addEventListener("abort", resolve));
      yield* [];
      throw signal.reason;
    });
    const end = session.run();
    clock.advance(10_000);
    assert.deepEqual(await end, {
      kind: "lost",
      message: "DeadlineExceeded: the server did not welcome the worker in time",
      lastedMs: 0,
    });
    assert.equal(counts.closed, 1);
    assert.equal(clock.timerCount, 0);
  });

  test("when the server begins with anything else than a welcome", async () => {
    const { session, runs } = setUp(saying(response({ case: "drain", value: {} })));
    const end = await session.run();
    assert.match(end.kind === "lost" ? end.message : "", /something else than a welcome/);
    assert.equal(runs.length, 0);
  });

  test("when the server speaks nonsense", async () => {
    const { session } = setUp(saying(welcome, response({ case: "assignment", value: {} })));
    const end = await session.run();
    assert.match(end.kind === "lost" ? end.message : "", /without the attempt/);
  });

  test("when the server ends it, or the connection breaks", async () => {
    const ended = await setUp(saying(welcome)).session.run();
    assert.equal(ended.kind, "lost");
    const broken = await setUp(failing(new ConnectError("gone", Code.Unavailable))).session.run();
    assert.equal(broken.kind, "lost");
  });

  test("when the server's certificate is not trusted, saying what to do", async () => {
    const cause = Object.assign(new Error("self-signed"), { code: "SELF_SIGNED_CERT_IN_CHAIN" });
    const error = new ConnectError("self-signed", Code.Internal);
    error.cause = cause;
    const end = await setUp(failing(error)).session.run();
    assert.match(end.kind === "lost" ? end.message : "", /start the worker with a new join token/);
  });
});

describe("it ends as refused", () => {
  test("by a status, or by an alert of the handshake", async () => {
    const status = new ConnectError("revoked", Code.PermissionDenied);
    const alert = new ConnectError("alert", Code.Internal);
    alert.cause = Object.assign(new Error("alert"), {
      code: "ERR_SSL_SSLV3_ALERT_CERTIFICATE_EXPIRED",
    });
    for (const error of [status, alert]) {
      const end = await setUp(failing(error)).session.run();
      assert.equal(end.kind, "refused");
    }
  });
});

test("a message that it does not know changes nothing, a drain is passed on", async () => {
  const drain = response({ case: "drain", value: {} });
  const { session, counts } = setUp(saying(welcome, response(undefined), drain));
  await session.run();
  assert.equal(counts.drained, 1);
});

test("it says hello first and waits for the welcome before anything else", async () => {
  const ref = newRef();
  const spec = { work: { case: "command" as const, value: { argv: ["true"] } } };
  const seen: (string | undefined)[] = [];
  const { session } = setUp(async function* (requests) {
    const iterator = requests[Symbol.asyncIterator]();
    const take = async () => seen.push((await iterator.next()).value?.message.case);
    await take();
    yield welcome;
    yield response({ case: "assignment", value: { ref, spec } });
    await take();
  });
  await session.run();
  assert.deepEqual(seen, ["hello", "attemptStarted"]);
});

import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { once } from "node:events";
import { createServer, type ServerHttp2Session } from "node:http2";
import type { AddressInfo } from "node:net";
import { after, test } from "node:test";
import { Code, ConnectError, type ConnectRouter } from "@connectrpc/connect";
import { connectNodeAdapter } from "@connectrpc/connect-node";
import { JobState } from "@hodei/proto/hodei/v1/job";
import { JobService } from "@hodei/proto/hodei/v1/job_service";
import { LogService, LogStream } from "@hodei/proto/hodei/v1/log_service";
import { createClient } from "./client.ts";
import { followJob } from "./run-job.ts";
import { tailLogs } from "./tail-logs.ts";
import { waitForJob } from "./watch-job.ts";

/** Starts a server on a free port; `breakConnections` drops its clients without a word. */
async function serve(routes: (router: ConnectRouter, breakConnections: () => void) => void) {
  const sessions = new Set<ServerHttp2Session>();
  const breakConnections = () => {
    for (const session of sessions) session.destroy();
  };
  const server = createServer(
    connectNodeAdapter({ routes: (router) => routes(router, breakConnections) }),
  );
  server.on("session", (session) => {
    sessions.add(session);
    session.on("close", () => sessions.delete(session));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  const client = createClient({ endpoint: `http://127.0.0.1:${port}` });
  after(() => {
    client.close();
    breakConnections();
    server.close();
  });
  return client;
}

/** What a server sends for a tail of `logs`, one log per attempt. */
function messagesOf(logs: readonly Buffer[], from: { attempt: number; offset: bigint }) {
  const first = from.attempt || 1;
  return logs.slice(first - 1, from.attempt || logs.length).flatMap((log, index) => {
    const start = index === 0 ? Number(from.offset) : 0;
    return Array.from({ length: Math.ceil((log.length - start) / CHUNK_BYTES) }, (_, part) => {
      const offset = start + part * CHUNK_BYTES;
      const stream = part % 2 === 0 ? LogStream.STDOUT : LogStream.STDERR;
      const data = log.subarray(offset, offset + CHUNK_BYTES);
      return { attempt: first + index, chunks: [{ stream, offset: BigInt(offset), data }] };
    });
  });
}

const CHUNK_BYTES = 5_000;

/** The attempts of a job whose logs are served in chunks; every third chunk is the last of its connection. */
function flakyJob(router: ConnectRouter, breakConnections: () => void, logs: readonly Buffer[]) {
  let sent = 0;
  router.service(LogService, {
    async *tailLogs(request, context) {
      for (const message of messagesOf(logs, request)) {
        yield message;
        sent += 1;
        if (sent % 3 > 0) continue;
        breakConnections();
        if (!context.signal.aborted) await once(context.signal, "abort");
        return;
      }
    },
  });
  let watches = 0;
  router.service(JobService, {
    async *watchJob() {
      watches += 1;
      yield { job: { id: "a", version: 1n, attempt: logs.length, state: JobState.RUNNING } };
      if (watches === 1) throw new ConnectError("restarting", Code.Unavailable);
      yield { job: { id: "a", version: 2n, attempt: logs.length, state: JobState.SUCCEEDED } };
    },
  });
}

const sha256 = (bytes: Uint8Array) => createHash("sha256").update(bytes).digest("hex");

test("a log read over breaking connections is whole, attempt after attempt", async () => {
  const logs = [randomBytes(48_000), randomBytes(33_000), randomBytes(0), randomBytes(21_000)];
  const client = await serve((router, breakConnections) =>
    flakyJob(router, breakConnections, logs),
  );
  const read: Buffer[] = logs.map(() => Buffer.alloc(0));
  for await (const { attempt, chunk } of tailLogs(client, { jobId: "a", follow: true })) {
    assert.equal(chunk.gapBytes, 0n);
    read[attempt - 1] = Buffer.concat([read[attempt - 1] ?? Buffer.alloc(0), chunk.data]);
  }
  assert.deepEqual(read.map(sha256), logs.map(sha256));
});

test("a job that is followed over breaking connections hands every byte over once", async () => {
  const log = randomBytes(40_000);
  const client = await serve((router, breakConnections) =>
    flakyJob(router, breakConnections, [log]),
  );
  const pieces: Uint8Array[] = [];
  const keep = (bytes: Uint8Array) => void pieces.push(bytes);
  const job = await followJob(client, "a", { onStdout: keep, onStderr: keep });
  assert.equal(job.state, JobState.SUCCEEDED);
  assert.equal(sha256(Buffer.concat(pieces)), sha256(log));
});

test("waiting outlives a server that goes away, and no version comes twice", async () => {
  const client = await serve((router, breakConnections) => flakyJob(router, breakConnections, []));
  const versions: bigint[] = [];
  const job = await waitForJob(client, "a", { onChange: ({ version }) => versions.push(version) });
  assert.equal(job.version, 2n);
  assert.deepEqual(versions, [1n, 2n]);
});

test("it gives up when the server stays away", async () => {
  const client = createClient({ endpoint: "http://127.0.0.1:1" });
  after(() => client.close());
  const waiting = waitForJob(client, "a", { reconnectLimitMs: 50 });
  await assert.rejects(waiting, { code: "unavailable", reason: "unreachable" });
});

test("leaving a tail early ends its stream on the server", async () => {
  const left = Promise.withResolvers<void>();
  const client = await serve((router) =>
    router.service(LogService, {
      async *tailLogs(_, context) {
        context.signal.addEventListener("abort", () => left.resolve());
        yield { attempt: 1, chunks: [{ stream: LogStream.STDOUT, data: Buffer.from("x") }] };
        await left.promise;
      },
    }),
  );
  for await (const { chunk } of tailLogs(client, { jobId: "a", follow: true })) {
    assert.equal(chunk.data.length, 1);
    break;
  }
  await left.promise;
});

test("an unknown job fails at once", async () => {
  const client = await serve((router) =>
    router.service(LogService, {
      // biome-ignore lint/correctness/useYield: the stream fails before its first message
      async *tailLogs() {
        throw new ConnectError("no job a", Code.NotFound);
      },
    }),
  );
  const tail = tailLogs(client, { jobId: "a", follow: true });
  await assert.rejects(tail.next(), { code: "not_found", message: "no job a" });
});

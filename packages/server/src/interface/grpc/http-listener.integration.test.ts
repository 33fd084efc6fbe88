import assert from "node:assert/strict";
import { once } from "node:events";
import { connect as connectHttp2 } from "node:http2";
import { connect, type Socket } from "node:net";
import { afterEach, suite, test } from "node:test";
import {
  Code,
  ConnectError,
  type ConnectRouter,
  createClient,
  type Transport,
} from "@connectrpc/connect";
import {
  createConnectTransport,
  createGrpcTransport,
  createGrpcWebTransport,
} from "@connectrpc/connect-node";
import { JobService } from "@hodei/proto/hodei/v1/job_service";
import { waitFor } from "@hodei/testkit";
import type { HttpListener, HttpListenerOptions } from "./http-listener.ts";
import { createListener, recordLog, startProxy } from "./listener-fixtures.test.ts";

const JOB_ID = "00000000-0000-7000-8000-00000000000a";

suite("HTTP listener", () => {
  const cleanups: (() => unknown)[] = [];
  afterEach(async () => {
    for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
  });

  async function start(
    routes: (router: ConnectRouter) => void,
    options: Partial<HttpListenerOptions> = {},
    log = recordLog(),
  ): Promise<HttpListener> {
    const listener = createListener(routes, { stopGraceMs: 200, ...options }, log);
    cleanups.push(() => listener.stop());
    await listener.start();
    return listener;
  }

  const echo = (router: ConnectRouter) =>
    router.service(JobService, {
      getJob: ({ jobId }) => ({ job: { id: jobId } }),
      async *watchJob({ jobId }, { signal }) {
        yield { job: { id: jobId } };
        await once(signal, "abort");
      },
    });

  const urlOf = (listener: HttpListener) => `http://127.0.0.1:${listener.address.port}`;

  const idleMs = (listener: HttpListener) => listener.idleSince?.getTime();

  async function open(listener: HttpListener): Promise<Socket> {
    const socket = connect(listener.address.port, "127.0.0.1");
    cleanups.push(() => socket.destroy());
    await once(socket, "connect");
    return socket;
  }

  async function readAll(socket: Socket): Promise<string> {
    let text = "";
    for await (const chunk of socket) text += String(chunk);
    return text;
  }

  suite("one plaintext port", () => {
    const transports: Record<string, (baseUrl: string) => Transport> = {
      "Connect over HTTP/1.1": (baseUrl) => createConnectTransport({ baseUrl, httpVersion: "1.1" }),
      "Connect over HTTP/2": (baseUrl) => createConnectTransport({ baseUrl, httpVersion: "2" }),
      "Connect with JSON": (baseUrl) =>
        createConnectTransport({ baseUrl, httpVersion: "2", useBinaryFormat: false }),
      gRPC: (baseUrl) => createGrpcTransport({ baseUrl }),
      "gRPC-Web over HTTP/1.1": (baseUrl) =>
        createGrpcWebTransport({ baseUrl, httpVersion: "1.1" }),
      "gRPC-Web over HTTP/2": (baseUrl) => createGrpcWebTransport({ baseUrl, httpVersion: "2" }),
    };
    for (const [name, createTransport] of Object.entries(transports)) {
      test(`serves ${name}`, async () => {
        const listener = await start(echo);
        const client = createClient(JobService, createTransport(urlOf(listener)));
        const { job } = await client.getJob({ jobId: JOB_ID });
        assert.equal(job?.id, JOB_ID);
        const large = "x".repeat(500_000);
        assert.equal((await client.getJob({ jobId: large })).job?.id, large);
        for await (const { job } of client.watchJob({ jobId: JOB_ID })) {
          assert.equal(job?.id, JOB_ID);
          break;
        }
      });
    }

    test("serves JSON by fetch, with its headers", async () => {
      const listener = await start(echo);
      const response = await fetch(`${urlOf(listener)}/hodei.v1.JobService/GetJob`, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify({ jobId: JOB_ID }),
      });
      assert.equal(response.status, 200);
      assert.deepEqual(await response.json(), { job: { id: JOB_ID } });
      assert.equal(response.headers.get("x-content-type-options"), "nosniff");
    });

    test("serves several requests of one HTTP/1.1 connection that come byte by byte", async () => {
      const listener = await start(echo);
      const socket = (await open(listener)).setNoDelay();
      const request = "GET /nothing HTTP/1.1\r\nHost: x\r\n\r\n";
      for (const byte of request) await write(socket, byte);
      await write(socket, request.replace("\r\n\r\n", "\r\nConnection: close\r\n\r\n"));
      assert.equal((await readAll(socket)).match(/HTTP\/1\.1 404/g)?.length, 2);
    });
  });

  test("a request without a host is refused, and others are served on", async () => {
    const listener = await start(echo);
    const paths = ["/hodei.v1.JobService/GetJob HTTP/1.0\r\n\r\n"];
    paths.push("/hodei.v1.JobService/GetJob HTTP/1.1\r\nHost: a b\r\nConnection: close\r\n\r\n");
    for (const path of paths) {
      const socket = await open(listener);
      await write(socket, `POST ${path}`);
      assert.match(await readAll(socket), /^HTTP\/1\.1 400/);
    }
    const client = createClient(JobService, createGrpcTransport({ baseUrl: urlOf(listener) }));
    assert.ok(await client.getJob({}));
  });

  test("what is no HTTP is refused", async () => {
    const listener = await start(echo);
    const socket = await open(listener);
    await write(socket, "\x16\x03\x01\x00\xa5 this is a TLS hello");
    assert.match(await readAll(socket), /^HTTP\/1\.1 400/);
  });

  test("too large headers and bodies are refused", async () => {
    const listener = await start(echo);
    const url = `${urlOf(listener)}/hodei.v1.JobService/GetJob`;
    const headers = { "content-type": "application/json" };
    const fat = { ...headers, "x-fat": "x".repeat(20_000) };
    assert.equal((await fetch(url, { method: "POST", headers: fat, body: "{}" })).status, 431);
    const body = JSON.stringify({ jobId: "x".repeat(1_100_000) });
    const response = await fetch(url, { method: "POST", headers, body });
    assert.equal(((await response.json()) as { code: string }).code, "resource_exhausted");
    const client = createClient(JobService, createGrpcTransport({ baseUrl: urlOf(listener) }));
    // HTTP/2 limits bind once the client has seen them.
    await client.getJob({});
    await assert.rejects(client.getJob({}, { headers: { "x-fat": "x".repeat(20_000) } }));
  });

  test("a peer that is gone without a word is found", async () => {
    const ended = Promise.withResolvers<unknown>();
    const log = recordLog();
    const listener = await start(
      (router) =>
        router.service(JobService, {
          async *watchJob(_, { signal }) {
            yield {};
            await once(signal, "abort");
            ended.resolve(signal.reason);
          },
        }),
      { ping: { intervalMs: 50, timeoutMs: 100 } },
      log,
    );
    const proxy = await startProxy(listener.address.port);
    cleanups.push(proxy.stop);
    const baseUrl = `http://127.0.0.1:${proxy.port}`;
    const stream = createClient(JobService, createGrpcTransport({ baseUrl })).watchJob({});
    const responses = stream[Symbol.asyncIterator]();
    await responses.next();
    proxy.fallSilent();
    assert.equal(ConnectError.from(await ended.promise).code, Code.Canceled);
    assert.deepEqual(
      log.lines.map(({ event }) => event),
      ["peer_lost"],
    );
    proxy.stop();
    await assert.rejects(responses.next());
  });

  test("a peer that answers is kept", async () => {
    const listener = await start(echo, { ping: { intervalMs: 10, timeoutMs: 1_000 } });
    const session = connectHttp2(urlOf(listener));
    cleanups.push(() => session.destroy());
    for (let pings = 0; pings < 5; pings += 1) await once(session, "ping");
    const [headers] = await once(session.request({ ":path": "/nothing" }), "response");
    assert.equal(headers[":status"], 404);
  });

  test("connections above the bound are closed, and said so once", async () => {
    const log = recordLog();
    const listener = await start(echo, { maxConnectionCount: 2 }, log);
    const kept = [await open(listener), await open(listener)];
    for (const socket of [await open(listener), await open(listener)]) await once(socket, "close");
    assert.deepEqual(
      log.lines.map(({ event }) => event),
      ["connections_refused"],
    );
    kept[0]?.destroy();
    await waitFor(async () => {
      const response = await fetch(urlOf(listener)).catch(() => undefined);
      return response?.status === 404;
    });
  });

  test("a taken port is named with what sets it; stop after a failed start is fine", async () => {
    const first = await start(echo);
    const { port } = first.address;
    const second = createListener(echo, { port });
    await assert.rejects(second.start(), {
      code: "failed_precondition",
      reason: "port_taken",
      message: new RegExp(`port ${port} .*--test-port`),
    });
    await second.stop();
    await assert.rejects(createListener(echo, { host: "203.0.113.1" }).start(), {
      code: "failed_precondition",
      reason: "cannot_listen",
    });
  });

  test("idle since the end of the last call", async () => {
    const listener = await start(echo);
    const first = idleMs(listener);
    const client = createClient(JobService, createGrpcTransport({ baseUrl: urlOf(listener) }));
    const abort = new AbortController();
    const responses = client.watchJob({}, { signal: abort.signal })[Symbol.asyncIterator]();
    await responses.next();
    assert.equal(idleMs(listener), undefined);
    abort.abort();
    await assert.rejects(responses.next());
    await waitFor(() => idleMs(listener) !== undefined);
    assert.ok(Number(idleMs(listener)) >= Number(first));
  });

  suite("stop", () => {
    test("before start, twice, and with idle connections of both kinds", async () => {
      await createListener(echo).stop();
      const listener = await start(echo, { stopGraceMs: 60_000 });
      const baseUrl = urlOf(listener);
      await fetch(baseUrl);
      await createClient(JobService, createGrpcTransport({ baseUrl })).getJob({});
      await open(listener);
      const started = Date.now();
      await Promise.all([listener.stop(), listener.stop()]);
      await listener.stop();
      assert.ok(Date.now() - started < 5_000);
      await assert.rejects(fetch(baseUrl));
    });

    for (const httpVersion of ["1.1", "2"] as const) {
      test(`ends streams over HTTP/${httpVersion} as unavailable, also those whose handler waits`, async () => {
        const listener = await start(
          (router) =>
            router.service(JobService, {
              async *watchJob(_, { signal }) {
                yield {};
                await new Promise(() => signal.throwIfAborted());
              },
            }),
          { stopGraceMs: 300 },
        );
        const transport = createConnectTransport({ baseUrl: urlOf(listener), httpVersion });
        const stream = createClient(JobService, transport).watchJob({});
        const responses = stream[Symbol.asyncIterator]();
        await responses.next();
        const [ended] = await Promise.allSettled([responses.next(), listener.stop()]);
        assert.equal(ended.status, "rejected");
        assert.equal(ConnectError.from(ended.reason).code, Code.Unavailable);
      });
    }

    test("lets a call with one answer finish", async () => {
      const called = Promise.withResolvers<void>();
      const answer = Promise.withResolvers<void>();
      const listener = await start(
        (router) =>
          router.service(JobService, {
            async getJob() {
              called.resolve();
              await answer.promise;
              return { job: { id: JOB_ID } };
            },
          }),
        { stopGraceMs: 60_000 },
      );
      const transport = createGrpcTransport({ baseUrl: urlOf(listener) });
      const call = createClient(JobService, transport).getJob({});
      await called.promise;
      const stopped = listener.stop();
      answer.resolve();
      assert.equal((await call).job?.id, JOB_ID);
      await stopped;
    });

    test("cuts a call that outlasts the grace", async () => {
      const called = Promise.withResolvers<void>();
      const listener = await start((router) =>
        router.service(JobService, {
          getJob: async () => {
            called.resolve();
            return new Promise(() => undefined);
          },
        }),
      );
      const transport = createGrpcTransport({ baseUrl: urlOf(listener) });
      const call = assert.rejects(createClient(JobService, transport).getJob({}));
      await called.promise;
      await Promise.all([call, listener.stop()]);
    });

    for (const kind of ["one answer", "a stream"] as const) {
      test(`waits for what the handler of ${kind} still does after its caller has gone`, async () => {
        const called = Promise.withResolvers<void>();
        const work = Promise.withResolvers<void>();
        let stored = false;
        const store = async () => {
          called.resolve();
          await work.promise;
          stored = true;
        };
        const listener = await start(
          (router) =>
            router.service(JobService, {
              async getJob() {
                await store();
                return {};
              },
              async *watchJob(_, { signal }) {
                try {
                  yield {};
                  await once(signal, "abort");
                } finally {
                  await store();
                }
              },
            }),
          { stopGraceMs: 60_000 },
        );
        const client = createClient(JobService, createGrpcTransport({ baseUrl: urlOf(listener) }));
        const { signal, abort } = abortable();
        const call =
          kind === "one answer"
            ? client.getJob({}, { signal })
            : (async () => {
                for await (const _ of client.watchJob({}, { signal })) abort();
              })();
        const gone = assert.rejects(call);
        if (kind === "one answer") void called.promise.then(abort);
        await Promise.all([gone, called.promise]);
        const stopped = listener.stop();
        work.resolve();
        await stopped;
        assert.ok(stored);
      });
    }
  });
});

function abortable(): { signal: AbortSignal; abort: () => void } {
  const controller = new AbortController();
  return { signal: controller.signal, abort: () => controller.abort() };
}

async function write(socket: Socket, text: string): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    socket.write(text, "latin1", (error) => (error ? reject(error) : resolve()));
  });
}

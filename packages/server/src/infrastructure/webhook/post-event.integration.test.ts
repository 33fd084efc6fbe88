import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { once } from "node:events";
import { createServer, type IncomingMessage } from "node:http";
import type { AddressInfo } from "node:net";
import { type TestContext, test } from "node:test";
import { jobEventRecords, type StoredEvent } from "@hodei/domain";
import { aJob, START } from "@hodei/testkit";
import { postEvent, type WebhookOptions } from "./post-event.ts";

interface Received {
  readonly request: IncomingMessage;
  readonly body: string;
}

const NEVER = new AbortController().signal;

function anEvent(): StoredEvent {
  const [record] = jobEventRecords(aJob(), [{ type: "started", at: START }]);
  assert.ok(record);
  return { ...record, cursor: "0000-0001" };
}

/** An endpoint that answers with `status`; without one, never. */
async function open(context: TestContext, status: number | undefined) {
  const received: Received[] = [];
  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    received.push({ request, body: Buffer.concat(chunks).toString() });
    if (status !== undefined) {
      response.writeHead(status, { location: "http://127.0.0.1:1/elsewhere" }).end("secret words");
    }
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  context.after(() => {
    server.closeAllConnections();
    server.close();
  });
  const { port } = server.address() as AddressInfo;
  const options: WebhookOptions = {
    url: `http://127.0.0.1:${port}/hook`,
    key: undefined,
    timeoutMs: 5_000,
    userAgent: "hodei/test",
    encode: ({ type }) => JSON.stringify({ type }),
  };
  return { options, received };
}

test("an event is posted as JSON with its cursor, and signed over time and body", async (context) => {
  const { options, received } = await open(context, 204);
  await postEvent({ ...options, key: "0123456789abcdef" }, anEvent(), NEVER);
  const [{ request, body } = assert.fail("nothing came")] = received;
  assert.equal(request.method, "POST");
  assert.equal(body, '{"type":"job.started"}');
  assert.equal(request.headers["content-type"], "application/json");
  assert.equal(request.headers["hodei-event-cursor"], "0000-0001");
  const [, seconds, mac] =
    /^t=(\d+),v1=([0-9a-f]{64})$/.exec(String(request.headers["hodei-signature"])) ?? [];
  const expected = createHmac("sha256", "0123456789abcdef").update(`${seconds}.${body}`);
  assert.equal(mac, expected.digest("hex"));
});

test("without a key nothing is signed", async (context) => {
  const { options, received } = await open(context, 200);
  await postEvent(options, anEvent(), NEVER);
  assert.equal(received[0]?.request.headers["hodei-signature"], undefined);
});

test("anything but 2xx is a failure, redirects are not followed, and answers are not shown", async (context) => {
  for (const status of [302, 307, 404, 500]) {
    const { options, received } = await open(context, status);
    await assert.rejects(postEvent(options, anEvent(), NEVER), {
      message: `answered HTTP ${status}`,
    });
    assert.equal(received.length, 1);
  }
});

test("an endpoint that never answers, or is not there, is a failure with its reason", async (context) => {
  const { options } = await open(context, undefined);
  await assert.rejects(postEvent({ ...options, timeoutMs: 50 }, anEvent(), NEVER), {
    message: "no answer within 50 ms",
  });
  const nowhere = { ...options, url: "http://127.0.0.1:1/hook" };
  await assert.rejects(postEvent(nowhere, anEvent(), NEVER), /ECONNREFUSED|bad port/);
});

test("a delivery ends when it is told to stop", async (context) => {
  const { options } = await open(context, undefined);
  const stop = new AbortController();
  const posting = postEvent(options, anEvent(), stop.signal);
  stop.abort();
  await assert.rejects(posting, /abort/i);
});

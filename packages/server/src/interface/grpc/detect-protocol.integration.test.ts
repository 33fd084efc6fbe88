import assert from "node:assert/strict";
import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";
import { after, before, suite, test } from "node:test";
import { detectProtocol } from "./detect-protocol.ts";

const PATIENT = { timeoutMs: 60_000, signal: new AbortController().signal };

suite("detect protocol", () => {
  let server: Server;
  before(async () => {
    server = createServer().listen(0, "127.0.0.1");
    await once(server, "listening");
  });
  after(() => server.close());

  async function connectPair(): Promise<{ client: Socket; accepted: Socket }> {
    const arrived = once(server, "connection") as Promise<[Socket]>;
    const client = connect((server.address() as AddressInfo).port, "127.0.0.1").setNoDelay();
    const [accepted] = await arrived;
    return { client, accepted };
  }

  const cases = {
    "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n": "http2",
    "GET / HTTP/1.1\r\n\r\n": "http1",
    "PROPFIND / HTTP/1.1\r\n\r\n": "http1",
    P: undefined,
    PR: undefined,
  } as const;
  for (const [text, protocol] of Object.entries(cases)) {
    for (const step of [1, 2, text.length]) {
      test(`${JSON.stringify(text)} in steps of ${step} is ${protocol}, and stays readable`, async () => {
        const { client, accepted } = await connectPair();
        const detected = detectProtocol(accepted, PATIENT);
        for (let at = 0; at < text.length; at += step) client.write(text.slice(at, at + step));
        client.end();
        assert.equal(await detected, protocol);
        if (protocol === undefined) {
          assert.ok(accepted.destroyed);
          return;
        }
        let seen = "";
        for await (const chunk of accepted) seen += String(chunk);
        assert.equal(seen, text);
      });
    }
  }

  test("silence is given up", async () => {
    const { client, accepted } = await connectPair();
    assert.equal(await detectProtocol(accepted, { ...PATIENT, timeoutMs: 20 }), undefined);
    assert.ok(accepted.destroyed);
    client.destroy();
  });

  test("an abort ends the wait", async () => {
    const { client, accepted } = await connectPair();
    const abort = new AbortController();
    const detected = detectProtocol(accepted, { ...PATIENT, signal: abort.signal });
    abort.abort();
    assert.equal(await detected, undefined);
    client.destroy();
  });

  test("a client that resets is given up", async () => {
    const { client, accepted } = await connectPair();
    const detected = detectProtocol(accepted, PATIENT);
    client.resetAndDestroy();
    assert.equal(await detected, undefined);
  });
});

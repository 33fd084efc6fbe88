import assert from "node:assert/strict";
import { once } from "node:events";
import { createSecureServer } from "node:http2";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import { type TestContext, test } from "node:test";
import { createTestAuthority } from "../test/test-authority.ts";
import { openConnection } from "./connection.ts";

/** A server that answers no call, behind a network that can fall silent without telling anybody. */
async function openServer(context: TestContext) {
  const authority = createTestAuthority();
  const { keyPem, chainPem } = authority.issueServer();
  const server = createSecureServer({ key: keyPem, cert: chainPem });
  await once(server.listen(0, "127.0.0.1"), "listening");
  const sockets = new Set<Socket>();
  const network = createServer((near) => {
    const far = connect((server.address() as AddressInfo).port, "127.0.0.1");
    for (const socket of [near, far]) sockets.add(socket.on("error", () => {}));
    near.pipe(far).pipe(near);
  });
  await once(network.listen(0, "127.0.0.1"), "listening");
  context.after(() => {
    for (const socket of sockets) socket.destroy();
    network.close();
    server.close();
  });
  return {
    server,
    url: `https://localhost:${(network.address() as AddressInfo).port}`,
    rootPem: authority.rootPem,
    fallSilent: () => {
      for (const socket of sockets) socket.unpipe().pause();
    },
  };
}

test("closing a connection whose call failed because the peer fell silent harms nobody", async (context) => {
  const { server, url, rootPem, fallSilent } = await openServer(context);
  const connection = openConnection(url, { rootPem }, { intervalMs: 50, timeoutMs: 50 });
  const call = connection.client.register({ joinToken: "j".repeat(16) });
  await once(server, "stream");
  fallSilent();
  // As a session does it: at once, in the turn in which the call fails.
  await assert.rejects(
    call.finally(() => connection.close()),
    /PING timed out/,
  );
  // An error that nobody hears of would end the process in one of the next turns.
  for (let turn = 0; turn < 5; turn += 1) await new Promise(setImmediate);
});

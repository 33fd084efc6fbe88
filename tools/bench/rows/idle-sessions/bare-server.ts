// The baseline of idle sessions, a process of its own: the stream that workers speak over the same mutual TLS, with a
// server that welcomes them, reads what they send and does nothing. Arguments: certificate, key and the client's root.

import { createSecureServer } from "node:http2";
import { create } from "@bufbuild/protobuf";
import { connectNodeAdapter } from "@connectrpc/connect-node";
import {
  type SessionRequest,
  type SessionResponse,
  SessionResponseSchema,
  WorkerService,
} from "@hodei/proto/hodei/v1/worker_service";

/** What the server says by default. */
const HEARTBEAT_S = 5n;

const [cert, key, ca] = process.argv.slice(2);
if (cert === undefined || key === undefined || ca === undefined) {
  throw new Error("usage: bare-server.ts CERTIFICATE KEY CLIENT_ROOT");
}
const handler = connectNodeAdapter({
  routes: (router) => router.service(WorkerService, { session: welcome }),
});
const server = createSecureServer(
  { cert, key, ca, requestCert: true, rejectUnauthorized: true, minVersion: "TLSv1.3" },
  handler,
);
server.listen(0, "127.0.0.1", () => {
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("it listens on a port");
  console.error(JSON.stringify({ event: "bare_server_ready", port: address.port }));
});
process.on("SIGTERM", () => process.exit(0));

async function* welcome(requests: AsyncIterable<SessionRequest>): AsyncGenerator<SessionResponse> {
  for await (const { message } of requests) {
    if (message.case !== "hello") continue;
    const value = { heartbeatInterval: { seconds: HEARTBEAT_S } };
    yield create(SessionResponseSchema, { message: { case: "welcome", value } });
  }
}

import { once } from "node:events";
import { createServer, type ServerHttp2Session } from "node:http2";
import type { AddressInfo } from "node:net";
import { STACK_LOCK } from "../local-stack/ensure-local-stack.ts";
import { identifyProcess } from "../local-stack/process-identity.ts";
import { tryLock } from "../local-stack/process-lock.ts";
import { removeStackFile, writeStackFile } from "../local-stack/stack-file.ts";
import { readVersion } from "../version.ts";

// A program that a test starts in place of the command line: as far as others can see, the process of a local stack.
// FAKE_STACK=fails: it cannot start. SIGUSR2: it stops as a stack that was idle does, slowly.

/** `HealthCheckResponse { status: SERVING }`, in Protobuf. */
const SERVING = Buffer.from([0x08, 0x01]);
/** Any message without fields. */
const EMPTY = Buffer.alloc(0);

const folder = process.argv[process.argv.indexOf("--data-dir") + 1] ?? "";
if (process.env.FAKE_STACK === "fails") {
  process.stderr.write("starting\nhodei: the port 7400 is taken; choose another\n");
  process.exit(1);
}
const attempt = await tryLock(folder, STACK_LOCK);
if ("owner" in attempt) process.exit(3);

const sessions = new Set<ServerHttp2Session>();
const server = createServer((request, response) => {
  const isHealth = request.url.endsWith("/Check");
  response.writeHead(200, { "content-type": "application/proto" });
  response.end(isHealth ? SERVING : EMPTY);
});
server.on("session", (session) => sessions.add(session));
server.listen(0, "127.0.0.1");
await once(server, "listening");
const self = await identifyProcess(process.pid);
if (self === undefined) throw new Error("this process does not exist");
await writeStackFile(folder, {
  process: self,
  endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
  tokenFile: null,
  version: readVersion(),
});

async function stop(): Promise<void> {
  server.close();
  for (const session of sessions) session.destroy();
  await removeStackFile(folder);
  process.exit(0);
}

process.on("SIGTERM", () => void stop());
process.on("SIGUSR2", () => {
  server.close();
  for (const session of sessions) session.destroy();
  setTimeout(() => void stop(), 300);
});

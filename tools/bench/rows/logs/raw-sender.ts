// The thread that `openRawLink` starts.

import { once } from "node:events";
import { parentPort, workerData } from "node:worker_threads";
import { create } from "@bufbuild/protobuf";
import { createClient } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import {
  type SessionRequest,
  SessionRequestSchema,
  WorkerService,
} from "@hodei/proto/hodei/v1/worker_service";
import type { SentMessage } from "./raw-link.ts";

const CHUNK = new Uint8Array(65_536).fill(0x61);

const { port, ...nodeOptions } = workerData as {
  port: number;
  cert: string;
  key: string;
  ca: string;
};
const baseUrl = `https://localhost:${port}`;
const client = createClient(WorkerService, createGrpcTransport({ baseUrl, nodeOptions }));

for await (const _ of client.session(requests())) {
  // The other side has nothing to say.
}

/** What is asked for, for ever. */
async function* requests(): AsyncGenerator<SessionRequest> {
  if (parentPort === null) throw new Error("this is a thread of its own");
  for (;;) {
    const [countBytes] = (await once(parentPort, "message")) as [number];
    const before = process.threadCpuUsage();
    for (let leftBytes = countBytes; leftBytes > 0; leftBytes -= CHUNK.length) {
      const value = { data: CHUNK.subarray(0, leftBytes) };
      yield create(SessionRequestSchema, { message: { case: "logBatch", value } });
    }
    const { user, system } = process.threadCpuUsage(before);
    const message: SentMessage = { cpuMs: (user + system) / 1_000 };
    parentPort.postMessage(message);
  }
}

import { EventEmitter, once } from "node:events";
import { createSecureServer } from "node:http2";
import { Worker } from "node:worker_threads";
import { connectNodeAdapter } from "@connectrpc/connect-node";
import { type SessionRequest, WorkerService } from "@hodei/proto/hodei/v1/worker_service";
import { createCertificate } from "./certificate.ts";

/**
 * The baseline of logs: the stream that workers speak, with 64 KiB in each message and nobody who stores them. One thread
 * sends, this one reads.
 */
export interface RawLink {
  /** Sends this many MB; resolves when all of it was read. */
  send(megabytes: number): Promise<{ readonly elapsedMs: number; readonly senderCpuMs: number }>;
  close(): Promise<void>;
}

/** What the sender answers when it has sent what it was told to. */
export interface SentMessage {
  /** Processor time of its thread. */
  readonly cpuMs: number;
}

export async function openRawLink(): Promise<RawLink> {
  const { certificatePem: cert, keyPem: key } = await createCertificate();
  const options = { cert, key, ca: cert };
  const counter = new Counter();
  const handler = connectNodeAdapter({
    routes: (router) => router.service(WorkerService, { session: (sent) => counter.count(sent) }),
  });
  const mutual = { requestCert: true, rejectUnauthorized: true };
  const server = createSecureServer({ ...options, ...mutual }, handler);
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  const port = typeof address === "object" ? address?.port : undefined;
  const sender = new Worker(new URL("./raw-sender.ts", import.meta.url), {
    workerData: { ...options, port },
  });
  return {
    async send(megabytes) {
      const startedAtMs = performance.now();
      const sent = once(sender, "message");
      const arrived = counter.reach(megabytes * 1e6);
      sender.postMessage(megabytes * 1e6);
      await arrived;
      const elapsedMs = performance.now() - startedAtMs;
      const [{ cpuMs }] = (await sent) as [SentMessage];
      return { elapsedMs, senderCpuMs: cpuMs };
    },
    async close() {
      await sender.terminate();
      server.close();
    },
  };
}

/** Counts the bytes that arrive. */
class Counter {
  readonly #events = new EventEmitter();
  #leftBytes = 0;

  /** Resolves when this many more have come. */
  async reach(countBytes: number): Promise<void> {
    this.#leftBytes = countBytes;
    await once(this.#events, "reached");
  }

  /** Reads a stream to its end and answers nothing. */
  async *count(requests: AsyncIterable<SessionRequest>): AsyncGenerator<never> {
    yield* [];
    for await (const { message } of requests) {
      if (message.case !== "logBatch") continue;
      this.#leftBytes -= message.value.data.length;
      if (this.#leftBytes === 0) this.#events.emit("reached");
    }
  }
}

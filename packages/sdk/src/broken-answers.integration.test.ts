import assert from "node:assert/strict";
import { createServer, type ServerHttp2Stream } from "node:http2";
import type { AddressInfo } from "node:net";
import { test } from "node:test";
import { createClient } from "@connectrpc/connect";
import {
  createConnectTransport,
  createGrpcTransport,
  createGrpcWebTransport,
} from "@connectrpc/connect-node";
import { JobService } from "@hodei/proto/hodei/v1/job_service";
import { toHodeiError } from "./errors.ts";

/** A message of 2 bytes that says `{}`, as every protocol frames it. */
const MESSAGE = Buffer.from([0, 0, 0, 0, 2, 0x12, 0x00]);

const TRANSPORTS = {
  connect: [createConnectTransport, "application/connect+proto"],
  grpc: [createGrpcTransport, "application/grpc+proto"],
  "grpc-web": [createGrpcWebTransport, "application/grpc-web+proto"],
} as const;

const ENDS: Readonly<Record<string, (stream: ServerHttp2Stream) => void>> = {
  "between two messages": (stream) => stream.end(),
  "in a message": (stream) => stream.end(MESSAGE.subarray(0, 6)),
  "in the head of a message": (stream) => stream.end(MESSAGE.subarray(0, 3)),
};

for (const [protocol, [createTransport, contentType]] of Object.entries(TRANSPORTS)) {
  for (const [where, end] of Object.entries(ENDS)) {
    test(`${protocol}: a stream that ends ${where} is a lost connection`, async (context) => {
      const server = createServer();
      server.on("stream", (stream) => {
        stream.respond({ ":status": 200, "content-type": contentType });
        stream.write(MESSAGE);
        end(stream);
      });
      await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
      context.after(() => server.close());
      const { port } = server.address() as AddressInfo;
      const options = { httpVersion: "2", baseUrl: `http://127.0.0.1:${port}` } as const;
      const client = createClient(JobService, createTransport(options));
      const failure = await readAll(client.watchJob({ jobId: "" })).catch(toHodeiError);
      const { code, reason } = failure ?? assert.fail("it did not fail");
      assert.deepEqual({ code, reason }, { code: "unavailable", reason: "connection_lost" });
    });
  }
}

async function readAll(messages: AsyncIterable<unknown>): Promise<undefined> {
  for await (const message of messages) assert.ok(message);
}

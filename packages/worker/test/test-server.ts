import { createHash } from "node:crypto";
import { once } from "node:events";
import { createSecureServer, type Http2SecureServer, type ServerHttp2Session } from "node:http2";
import type { AddressInfo } from "node:net";
import type { TLSSocket } from "node:tls";
import { zstdDecompressSync } from "node:zlib";
import type { MessageInitShape } from "@bufbuild/protobuf";
import { create } from "@bufbuild/protobuf";
import { durationFromMs, timestampFromDate } from "@bufbuild/protobuf/wkt";
import {
  Code,
  ConnectError,
  createContextKey,
  createContextValues,
  type ServiceImpl,
} from "@connectrpc/connect";
import { connectNodeAdapter } from "@connectrpc/connect-node";
import type { JobSpecSchema } from "@hodei/proto/hodei/v1/job";
import { LogGap, LogStream } from "@hodei/proto/hodei/v1/log_service";
import {
  type AttemptFinished,
  type AttemptRef,
  type LogBatch,
  LogCompression,
  type SessionRequest,
  type SessionResponse,
  SessionResponseSchema,
  WorkerService,
} from "@hodei/proto/hodei/v1/worker_service";
import { newRef } from "./attempt-fixture.ts";
import { createTestAuthority } from "./test-authority.ts";

/** What the server knows of one attempt. */
export class ServedAttempt {
  readonly ref: Pick<AttemptRef, "jobId" | "attempt" | "leaseToken">;
  readonly spec: MessageInitShape<typeof JobSpecSchema>;
  #log: Buffer[] = [];
  /** Turned off, the log is only counted and hashed: for logs that memory should not hold. */
  isKept = true;
  readonly hash = createHash("sha256");
  /** Where it ends, counting what is missing. */
  endOffset = 0;
  /** Bytes that the worker left out, by reason, and how many gaps there were. */
  readonly missing = { dropped: 0, limit: 0, gapCount: 0 };
  /** What came over the wire for it, repeats included. */
  wireBytes = 0;
  readonly stdout: Buffer[] = [];
  readonly stderr: Buffer[] = [];
  batchCount = 0;
  startedCount = 0;
  refusal: string | undefined;
  readonly results: AttemptFinished[] = [];
  /** Batches that began beyond what was durable: the worker left something out. */
  gapCount = 0;
  isAbandoned = false;

  constructor(spec: MessageInitShape<typeof JobSpecSchema>) {
    this.ref = newRef();
    this.spec = spec;
  }

  /** Everything durable, both streams. */
  get log(): Buffer {
    if (this.#log.length !== 1) this.#log = [Buffer.concat(this.#log)];
    return this.#log[0] ?? Buffer.alloc(0);
  }

  /** Stores what is new of `batch`, as the real server does. */
  store({ offset, data, compression, segments }: LogBatch): void {
    this.batchCount += 1;
    this.wireBytes += data.length;
    if (Number(offset) > this.endOffset) {
      this.gapCount += 1;
      return;
    }
    const plain = compression === LogCompression.ZSTD ? zstdDecompressSync(data) : data;
    let position = Number(offset);
    let start = 0;
    for (const { stream, length, gap } of segments) {
      const skip = Math.min(length, Math.max(0, this.endOffset - position));
      position += length;
      this.endOffset = Math.max(this.endOffset, position);
      if (gap !== LogGap.UNSPECIFIED) {
        this.#miss(gap, length - skip);
        continue;
      }
      this.#keep(stream, Buffer.from(plain.subarray(start + skip, start + length)));
      start += length;
    }
  }

  #keep(stream: LogStream, bytes: Buffer): void {
    this.hash.update(bytes);
    if (!this.isKept) return;
    (stream === LogStream.STDOUT ? this.stdout : this.stderr).push(bytes);
    this.#log.push(bytes);
  }

  #miss(gap: LogGap, lengthBytes: number): void {
    if (lengthBytes === 0) return;
    this.missing[gap === LogGap.LIMIT ? "limit" : "dropped"] += lengthBytes;
    this.missing.gapCount += 1;
  }
}

/** One stream as the server sees it. */
class ServedSession {
  readonly received: SessionRequest[] = [];
  isOver = false;
  readonly #outgoing: SessionResponse[] = [];
  #wake = (): void => {};

  get heartbeatCount(): number {
    return this.received.filter(({ message }) => message.case === "heartbeat").length;
  }

  send(message: MessageInitShape<typeof SessionResponseSchema>["message"]): void {
    this.#outgoing.push(create(SessionResponseSchema, { message: message ?? { case: undefined } }));
    this.#wake();
  }

  /** Ends the stream in order. */
  end(): void {
    this.isOver = true;
    this.#wake();
  }

  async *responses(): AsyncGenerator<SessionResponse> {
    while (!this.isOver) {
      const next = this.#outgoing.shift();
      if (next !== undefined) yield next;
      else
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
    }
  }
}

const peerName = createContextKey<string | undefined>(undefined);
export const WORKER_ID = "0198b6a4-0000-7000-8000-000000000001";

/** The worker listener of a server, small but real: mutual TLS, HTTP/2, gRPC. It stores, acks and records. */
export class TestServer {
  readonly #authority = createTestAuthority();
  readonly #secret = "s".repeat(43);
  #isTokenSpent = false;
  #server: Http2SecureServer | undefined;
  #port = 0;
  readonly #connections = new Set<ServerHttp2Session>();
  readonly sessions: ServedSession[] = [];
  readonly attempts = new Map<string, ServedAttempt>();
  registerCount = 0;
  /** What the worker did against the contract. */
  readonly violations: string[] = [];
  /** Turned off, log and results stay unacked. */
  isAcking = true;
  /** Turned on, certificates are refused. */
  isRefusing = false;
  heartbeatIntervalMs = 100;

  get url(): string {
    return `https://localhost:${this.#port}`;
  }

  get joinToken(): string {
    return `hodei-join.${this.#secret}.${this.#authority.rootHash}`;
  }

  /** The one that is open. */
  get session(): ServedSession | undefined {
    return this.sessions.findLast(({ isOver }) => !isOver);
  }

  /** Listens, again on the same port after a `stop`. */
  async start(): Promise<void> {
    const { keyPem, chainPem } = this.#authority.issueServer();
    const handler = connectNodeAdapter({
      routes: (router) => void router.service(WorkerService, this.#service),
      contextValues: ({ socket }) =>
        createContextValues().set(peerName, peerOf(socket as TLSSocket)),
    });
    const server = createSecureServer(
      {
        key: keyPem,
        cert: chainPem,
        ca: this.#authority.rootPem,
        requestCert: true,
        rejectUnauthorized: false,
      },
      handler,
    );
    server.on("session", (session) => {
      this.#connections.add(session);
      session.on("close", () => this.#connections.delete(session));
    });
    server.listen(this.#port, "127.0.0.1");
    await once(server, "listening");
    this.#port = (server.address() as AddressInfo).port;
    this.#server = server;
  }

  /** Cuts every connection, as a network does. */
  cut(): void {
    for (const connection of this.#connections) connection.destroy();
  }

  async stop(): Promise<void> {
    const server = this.#server;
    this.#server = undefined;
    if (server === undefined) return;
    const closed = once(server, "close");
    server.close();
    this.cut();
    await closed;
  }

  assign(spec: MessageInitShape<typeof JobSpecSchema>): ServedAttempt {
    const attempt = new ServedAttempt(spec);
    this.attempts.set(attempt.ref.jobId, attempt);
    this.sendAssignment(attempt);
    return attempt;
  }

  sendAssignment({ ref, spec }: ServedAttempt): void {
    this.session?.send({ case: "assignment", value: { ref, spec } });
  }

  /** Acks everything that was held back. */
  ackAll(): void {
    for (const { ref, endOffset } of this.attempts.values()) {
      this.session?.send({ case: "logAck", value: { ref, offset: BigInt(endOffset) } });
    }
  }

  readonly #service: ServiceImpl<typeof WorkerService> = {
    register: ({ joinToken, certificateRequest }) => {
      this.registerCount += 1;
      if (joinToken !== this.joinToken || this.#isTokenSpent) {
        throw new ConnectError("the join token is unknown or spent", Code.Unauthenticated);
      }
      this.#isTokenSpent = true;
      return {
        workerId: WORKER_ID,
        certificateChain: this.#authority.issueWorker(certificateRequest, WORKER_ID),
        expiresAt: timestampFromDate(new Date(Date.now() + 86_400_000)),
      };
    },
    session: (requests, context) => {
      if (context.values.get(peerName) !== WORKER_ID || this.isRefusing) {
        throw new ConnectError("the certificate is not one of ours", Code.Unauthenticated);
      }
      const session = new ServedSession();
      this.sessions.push(session);
      context.signal.addEventListener("abort", () => session.end());
      void this.#read(session, requests);
      return session.responses();
    },
  };

  async #read(session: ServedSession, requests: AsyncIterable<SessionRequest>): Promise<void> {
    try {
      for await (const request of requests) {
        session.received.push(request);
        this.#handle(session, request.message);
      }
    } catch {
      // The connection was cut, by the test more often than not, or a violation was noted.
    }
    session.end();
  }

  #handle(session: ServedSession, message: SessionRequest["message"]): void {
    switch (message.case) {
      case "hello":
        this.#welcome(session, message.value.attempts);
        return;
      case "attemptStarted":
        this.#find(message.value.ref).startedCount += 1;
        return;
      case "attemptRefused":
        this.#find(message.value.ref).refusal = message.value.message;
        return;
      case "logBatch": {
        const { ref } = message.value;
        const attempt = this.#find(ref);
        attempt.store(message.value);
        const offset = BigInt(attempt.endOffset);
        if (this.isAcking) session.send({ case: "logAck", value: { ref: attempt.ref, offset } });
        return;
      }
      case "attemptFinished": {
        const attempt = this.#find(message.value.ref);
        attempt.results.push(message.value);
        const { ref } = attempt;
        if (this.isAcking) session.send({ case: "resultAck", value: { ref, accepted: true } });
        return;
      }
    }
  }

  #welcome(session: ServedSession, held: readonly AttemptRef[]): void {
    const known = held.map((ref) => this.#find(ref));
    session.send({
      case: "welcome",
      value: {
        workerId: WORKER_ID,
        heartbeatInterval: durationFromMs(this.heartbeatIntervalMs),
        logAcks: known
          .filter(({ isAbandoned }) => !isAbandoned)
          .map(({ ref, endOffset }) => ({ ref, offset: BigInt(endOffset) })),
      },
    });
    for (const { ref } of known.filter(({ isAbandoned }) => isAbandoned)) {
      session.send({ case: "abandonAttempt", value: { ref } });
    }
  }

  #find(ref: AttemptRef | undefined): ServedAttempt {
    const attempt = this.attempts.get(ref?.jobId ?? "");
    if (attempt !== undefined) return attempt;
    const violation = `the worker spoke of an unknown attempt ${ref?.jobId}`;
    this.violations.push(violation);
    throw new Error(violation);
  }
}

/** Common name of a client certificate that our root has signed. */
function peerOf(socket: TLSSocket): string | undefined {
  return socket.authorized ? socket.getPeerCertificate().subject.CN?.toString() : undefined;
}

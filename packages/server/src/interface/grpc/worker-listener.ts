import type { TLSSocket } from "node:tls";
import { createConnectRouter, createContextValues } from "@connectrpc/connect";
import { WorkerService } from "@hodei/proto/hodei/v1/worker_service";
import type { Deps } from "../../application/index.ts";
import { authenticateWorker, type IdentifyWorker, socketKey } from "./authenticate.ts";
import { HttpListener, type TlsCertificate } from "./http-listener.ts";
import type { PingOptions } from "./ping-session.ts";
import { createRequestHandler } from "./request-handler.ts";
import { translateErrors } from "./translate-errors.ts";
import { endAbortedStreams, type Unfinished } from "./until-aborted.ts";
import { validateRequests } from "./validate.ts";
import { workerService } from "./worker-service.ts";

/** Largest message of a worker: a log batch has at most 1 MiB of data. A larger one ends the session. */
const READ_MAX_BYTES = 4 * 1024 * 1024;
/** Longest time-out that a worker may ask for; a session has none. */
const MAX_TIMEOUT_MS = 60 * 60_000;
const MAX_CONNECTION_COUNT = 20_000;
/** A worker has one session, a second one while it reconnects, and a registration before. */
const MAX_STREAM_COUNT = 8;
const DEFAULT_PING: PingOptions = { intervalMs: 5_000, timeoutMs: 5_000 };

export interface WorkerListenerOptions {
  readonly host: string;
  /** 0: any that is free. */
  readonly port: number;
  /** Its chain must hold the root: a joining worker knows that by its fingerprint only. */
  readonly certificate: TlsCertificate;
  /** What the certificates of workers must lead to; PEM. */
  readonly rootPem: string;
  readonly identifyWorker: IdentifyWorker;
  /** How workers that are gone without a word are found. Default: every 5 s, with 5 s for the answer. */
  readonly ping?: PingOptions;
}

/**
 * The listener for workers: TLS and HTTP/2 only. Anybody may register; a session needs a certificate of ours. Messages
 * are not compressed: log data comes compressed already.
 */
export function createWorkerListener(deps: Deps, options: WorkerListenerOptions): HttpListener {
  const shutdown = new AbortController();
  const unfinished: Unfinished = new Set();
  const router = createConnectRouter({
    interceptors: [translateErrors(deps), endAbortedStreams(unfinished), validateRequests()],
    acceptCompression: [],
    readMaxBytes: READ_MAX_BYTES,
    maxTimeoutMs: MAX_TIMEOUT_MS,
    shutdownSignal: shutdown.signal,
    requestGate: authenticateWorker(options.identifyWorker),
  });
  router.service(WorkerService, workerService(deps));
  const handler = createRequestHandler(deps, router, {
    headers: {},
    contextValues: ({ socket }) => createContextValues().set(socketKey, socket as TLSSocket),
  });
  const { host, port, certificate, rootPem } = options;
  return new HttpListener(
    deps,
    {
      name: "worker",
      host,
      port,
      portSetting: "--worker-port",
      certificate,
      clientRootPem: rootPem,
      http1: false,
      maxConnectionCount: MAX_CONNECTION_COUNT,
      maxStreamCount: MAX_STREAM_COUNT,
      ping: options.ping ?? DEFAULT_PING,
    },
    { handler, shutdown, unfinished },
  );
}

import { createConnectRouter, createContextValues, type HandlerContext } from "@connectrpc/connect";
import { compressionGzip } from "@connectrpc/connect-node";
import { Health } from "@hodei/proto/grpc/health/v1/health";
import { ServerReflection } from "@hodei/proto/grpc/reflection/v1/reflection";
import { ServerReflection as ServerReflectionV1Alpha } from "@hodei/proto/grpc/reflection/v1alpha/reflection";
import { EventService } from "@hodei/proto/hodei/v1/event_service";
import { JobService } from "@hodei/proto/hodei/v1/job_service";
import { LogService } from "@hodei/proto/hodei/v1/log_service";
import { SecretService } from "@hodei/proto/hodei/v1/secret_service";
import { WorkerAdminService } from "@hodei/proto/hodei/v1/worker_admin_service";
import type { Deps } from "../../application/index.ts";
import { admitCalls, type CallLimits } from "./admission.ts";
import { type AcceptedToken, authenticateToken } from "./authenticate.ts";
import { eventService } from "./event-service.ts";
import { type HealthState, healthService } from "./health.ts";
import { HttpListener, type TlsCertificate } from "./http-listener.ts";
import { jobService } from "./job-service.ts";
import { logService } from "./log-service.ts";
import { reflectionServices } from "./reflection.ts";
import { createRequestHandler } from "./request-handler.ts";
import { secretService } from "./secret-service.ts";
import { translateErrors } from "./translate-errors.ts";
import { endAbortedStreams, type Unfinished } from "./until-aborted.ts";
import { validateRequests } from "./validate.ts";
import { workerAdminService } from "./worker-admin-service.ts";

/** Largest request: a batch of jobs. A larger one is refused with `resource_exhausted`. */
const READ_MAX_BYTES = 20 * 1024 * 1024;
/** Longest time-out that a caller may ask for; a longer one is refused. Without one, a stream may last for ever. */
const MAX_TIMEOUT_MS = 24 * 60 * 60_000;
/**
 * Logs go out as they are: Gzip makes some 40 MB of log lines a second on one core, a tenth of what a tail can take, and
 * would have that core from everybody else.
 */
const UNCOMPRESSED = { compressMinBytes: Number.MAX_SAFE_INTEGER };
const MAX_CONNECTION_COUNT = 10_000;
const MAX_STREAM_COUNT = 250;
/** Of all connections together. More than the database answers within a caller's patience; what they hold fits in memory. */
const CALL_LIMITS = { unaryMax: 1_000, streamMax: 5_000 };
const PING = { intervalMs: 15_000, timeoutMs: 10_000 };

/** For browsers: the API is never a page, a frame, or a source of scripts, and its answers are not stored. */
const SECURITY_HEADERS = {
  "cache-control": "no-store",
  "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
  "referrer-policy": "no-referrer",
  "x-content-type-options": "nosniff",
};
/** Over TLS a browser shall come back over TLS only. */
const TLS_HEADERS = { "strict-transport-security": "max-age=31536000" };

export interface PublicListenerOptions {
  readonly host: string;
  /** 0: any that is free. */
  readonly port: number;
  /** Without it the listener speaks plaintext, HTTP/1.1 and HTTP/2 on the same port. */
  readonly certificate?: TlsCertificate;
  readonly tokens: readonly AcceptedToken[];
  readonly health: HealthState;
  /** Of this program; told in each answer, so that clients can see when theirs is another. */
  readonly version: string;
  /** Default: 1,000 calls and 5,000 streams. */
  readonly callLimits?: CallLimits;
}

/**
 * The listener for people and programs: gRPC, gRPC-Web, and Connect with JSON or binary. Health and reflection are open
 * to all; everything else needs a token. No other origin's pages are let in (no CORS).
 */
export function createPublicListener(deps: Deps, options: PublicListenerOptions): HttpListener {
  const shutdown = new AbortController();
  const unfinished: Unfinished = new Set();
  const router = createConnectRouter({
    interceptors: [translateErrors(deps), endAbortedStreams(unfinished), validateRequests()],
    acceptCompression: [compressionGzip],
    readMaxBytes: READ_MAX_BYTES,
    maxTimeoutMs: MAX_TIMEOUT_MS,
    shutdownSignal: shutdown.signal,
    // A misspelt field is an error, not a wish to be ignored.
    jsonOptions: { ignoreUnknownFields: false },
  });
  const authenticate = authenticateToken(options.tokens);
  const admit = admitCalls(options.callLimits ?? CALL_LIMITS);
  const gate = {
    requestGate: (context: HandlerContext) => {
      authenticate(context);
      admit(context);
    },
  };
  const reflection = reflectionServices([
    ...[JobService, LogService, SecretService, WorkerAdminService, EventService, Health],
    ...[ServerReflection, ServerReflectionV1Alpha],
  ]);
  router
    .service(JobService, jobService(deps), gate)
    .service(LogService, logService(deps), { ...gate, ...UNCOMPRESSED })
    .service(SecretService, secretService(deps), gate)
    .service(WorkerAdminService, workerAdminService(deps), gate)
    .service(EventService, eventService(deps), gate)
    .service(Health, healthService(options.health))
    .service(ServerReflection, reflection.v1)
    .service(ServerReflectionV1Alpha, reflection.v1alpha);
  const { host, port, certificate } = options;
  const handler = createRequestHandler(deps, router, {
    headers: {
      ...SECURITY_HEADERS,
      ...(certificate && TLS_HEADERS),
      "hodei-version": options.version,
    },
    contextValues: createContextValues,
  });
  return new HttpListener(
    deps,
    {
      name: "public",
      host,
      port,
      portSetting: "--public-port",
      ...(certificate && { certificate }),
      http1: true,
      maxConnectionCount: MAX_CONNECTION_COUNT,
      maxStreamCount: MAX_STREAM_COUNT,
      ping: PING,
    },
    { handler, shutdown, unfinished },
  );
}

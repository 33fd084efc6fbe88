import {
  type Client,
  createClient as createServiceClient,
  type Transport,
} from "@connectrpc/connect";
import { createConnectTransport, Http2SessionManager } from "@connectrpc/connect-node";
import { Health } from "@hodei/proto/grpc/health/v1/health";
import { EventService } from "@hodei/proto/hodei/v1/event_service";
import { JobService } from "@hodei/proto/hodei/v1/job_service";
import { LogService } from "@hodei/proto/hodei/v1/log_service";
import { SecretService } from "@hodei/proto/hodei/v1/secret_service";
import { WorkerAdminService } from "@hodei/proto/hodei/v1/worker_admin_service";
import { withCallPolicy } from "./call-policy.ts";
import { fillIdempotencyKeys, retryUnavailable, sendToken } from "./interceptors.ts";

/** Longest message that is read from a server. One page of logs is at most 4 MiB. */
const READ_MAX_BYTES = 32 * 1024 * 1024;
/** A silent connection with open streams is asked for a sign of life this often. */
const PING_INTERVAL_MS = 15_000;
/** A connection that does not answer a ping for this long is broken. */
const PING_TIMEOUT_MS = 10_000;

export interface ClientOptions {
  /** Base address of the server, `http://…` or `https://…`. Plain HTTP is spoken as HTTP/2 (h2c). */
  readonly endpoint: string;
  /** Bearer token of the caller. */
  readonly token?: string;
  /** Time-out of a unary call with all of its tries, in milliseconds. Default: 30,000. */
  readonly timeoutMs?: number;
}

/**
 * Typed access to one server. Every failure is a `HodeiError`.
 *
 * Unary calls have a time-out, and those that are safe to repeat are repeated while the server is unavailable.
 * Requests that create jobs get a random idempotency key unless they bring one, so they are safe too.
 */
export interface HodeiClient {
  readonly jobs: Client<typeof JobService>;
  readonly logs: Client<typeof LogService>;
  readonly secrets: Client<typeof SecretService>;
  readonly workers: Client<typeof WorkerAdminService>;
  readonly events: Client<typeof EventService>;
  readonly health: Client<typeof Health>;
  /** Ends the connection and what is still open on it. A process that does not close its clients does not end. */
  close(): void;
}

/** A client of the server at `options.endpoint`. It connects with its first call. */
export function createClient(options: ClientOptions): HodeiClient {
  const connection = new Http2SessionManager(options.endpoint, {
    pingIntervalMs: PING_INTERVAL_MS,
    pingTimeoutMs: PING_TIMEOUT_MS,
  });
  const transport = createConnectTransport({
    baseUrl: options.endpoint,
    httpVersion: "2",
    sessionManager: connection,
    readMaxBytes: READ_MAX_BYTES,
    interceptors: [
      fillIdempotencyKeys,
      retryUnavailable,
      ...(options.token === undefined ? [] : [sendToken(options.token)]),
    ],
  });
  return createClientOver(transport, {
    ...(options.timeoutMs === undefined ? {} : { timeoutMs: options.timeoutMs }),
    close: () => connection.abort(),
  });
}

/** A client over a transport of the caller's, such as an in-process router. Retries and tokens are the transport's. */
export function createClientOver(
  transport: Transport,
  options: { readonly timeoutMs?: number; readonly close?: () => void } = {},
): HodeiClient {
  const calls = withCallPolicy(transport, options.timeoutMs);
  return {
    jobs: createServiceClient(JobService, calls),
    logs: createServiceClient(LogService, calls),
    secrets: createServiceClient(SecretService, calls),
    workers: createServiceClient(WorkerAdminService, calls),
    events: createServiceClient(EventService, calls),
    health: createServiceClient(Health, calls),
    close: options.close ?? (() => {}),
  };
}

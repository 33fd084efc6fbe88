import { type Client, Code, ConnectError, createClient } from "@connectrpc/connect";
import { createGrpcTransport, Http2SessionManager } from "@connectrpc/connect-node";
import { WorkerService } from "@hodei/proto/hodei/v1/worker_service";

/** When to ask a peer that says nothing, and how long to wait for its answer. */
export interface Pings {
  readonly intervalMs: number;
  readonly timeoutMs: number;
}

/** A half-open connection is found within the sum of the two. */
const PINGS: Pings = { intervalMs: 5_000, timeoutMs: 5_000 };
/** Largest message from the server; an assignment carries a spec of at most 1 MiB. A larger one ends the session. */
const READ_MAX_BYTES = 4 * 1024 * 1024;

/** Whom to trust and, once there is a certificate, who we are; all PEM. */
export interface TlsMaterial {
  readonly rootPem: string;
  readonly keyPem?: string;
  readonly certificateChainPem?: string;
}

/** One HTTP/2 connection to the worker listener; opened by its first call. */
export interface Connection {
  readonly client: Client<typeof WorkerService>;
  /** Cuts the connection and every call on it. */
  close(): void;
}

/** Speaks gRPC with verified TLS: the server's certificate must lead to `rootPem` and name the host of `serverUrl`. */
export function openConnection(
  serverUrl: string,
  tls: TlsMaterial,
  { intervalMs, timeoutMs }: Pings = PINGS,
): Connection {
  const http2 = new HearingSessions(
    serverUrl,
    { pingIntervalMs: intervalMs, pingTimeoutMs: timeoutMs },
    { ca: tls.rootPem, key: tls.keyPem, cert: tls.certificateChainPem, minVersion: "TLSv1.3" },
  );
  const transport = createGrpcTransport({
    baseUrl: serverUrl,
    sessionManager: http2,
    readMaxBytes: READ_MAX_BYTES,
  });
  return {
    client: createClient(WorkerService, transport),
    close: () => http2.abort(),
  };
}

/**
 * Hears of errors of its HTTP/2 sessions to their ends. `abort` takes the listeners of the base class away, and a session
 * that is ending by an error at that moment would tell it to nobody, which ends the process. Its calls have that error.
 */
class HearingSessions extends Http2SessionManager {
  readonly #heard = new WeakSet<object>();

  override async request(...args: Parameters<Http2SessionManager["request"]>) {
    const stream = await super.request(...args);
    const { session } = stream;
    if (session !== undefined && !this.#heard.has(session)) {
      this.#heard.add(session);
      session.on("error", () => {});
    }
    return stream;
  }
}

/**
 * Why a call can never succeed as it is, or `undefined` when it may be made again: the server refuses what we show, or
 * shows what we do not trust.
 */
export function findRefusal(error: unknown): "refused" | "untrusted" | undefined {
  const codes = errorCodes(error);
  if (codes.some((code) => UNTRUSTED.test(code))) return "untrusted";
  if (codes.some((code) => CERTIFICATE_ALERT.test(code))) return "refused";
  const { code } = ConnectError.from(error);
  return code === Code.Unauthenticated || code === Code.PermissionDenied ? "refused" : undefined;
}

/** Verification failures of OpenSSL and of Node's host name check, as `error.code`. */
const UNTRUSTED =
  /^(ERR_TLS_CERT_ALTNAME_INVALID|CERT_.*|DEPTH_ZERO_SELF_SIGNED_CERT|SELF_SIGNED_CERT_IN_CHAIN|UNABLE_TO_(GET_ISSUER_CERT|GET_ISSUER_CERT_LOCALLY|VERIFY_LEAF_SIGNATURE)|INVALID_CA)$/;
/** The server ended the handshake because of our certificate. */
const CERTIFICATE_ALERT = /^ERR_SSL_.*ALERT_(.*CERTIFICATE.*|UNKNOWN_CA|ACCESS_DENIED)$/;

/** `code` of the error and of all its causes. */
function errorCodes(error: unknown): string[] {
  const codes: string[] = [];
  for (let cause = error; cause instanceof Error; cause = cause.cause) {
    if ("code" in cause && typeof cause.code === "string") codes.push(cause.code);
  }
  return codes;
}

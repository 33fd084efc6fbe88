import { readFile } from "node:fs/promises";
import { Code, ConnectError } from "@connectrpc/connect";
import { isPlatformError, PlatformError, type Random } from "@hodei/domain";
import type { Logger } from "pino";
import { reconnectDelayMs } from "./backoff.ts";
import { type CertificateRequest, createCertificateRequest } from "./certificate-request.ts";
import type { WorkerClock } from "./clock.ts";
import type { WorkerConfig } from "./config.ts";
import { findRefusal, openConnection } from "./connection.ts";
import { errnoOf } from "./errno.ts";
import { expiresAt, findIdentity, type Identity, rootHashOf, saveIdentity } from "./identity.ts";
import { type JoinToken, parseJoinToken } from "./join-token.ts";
import { fetchRootCertificate } from "./root-certificate.ts";

const REGISTER_TIMEOUT_MS = 10_000;

export interface RegisterDeps {
  readonly clock: WorkerClock;
  readonly random: Random;
  readonly log: Logger;
}

/**
 * The worker's identity: the stored one, or a new one for the join token of `config`.
 *
 * A stored identity is kept, whatever the token, unless it has expired or belongs to another server than the token. A
 * server that cannot be reached is tried again, without end, until `signal` aborts.
 * @throws PlatformError `failed_precondition` without identity and token; `unauthenticated` if the token is spent or
 * unknown; `permission_denied` if the server is not the token's; `cancelled` if `signal` aborts
 */
export async function obtainIdentity(
  deps: RegisterDeps,
  config: WorkerConfig,
  signal: AbortSignal,
): Promise<Identity> {
  const token = await findJoinToken(config);
  const stored = await findIdentity(config.stateDir);
  if (stored !== undefined && isCurrent(stored, token, deps.clock.now())) return stored;
  if (token === undefined) throw stored === undefined ? neverJoined(config) : expired(stored);
  const identity = await register(deps, config.serverUrl, token, signal);
  await saveIdentity(config.stateDir, identity);
  deps.log.info({ event: "worker.registered", workerId: identity.workerId });
  return identity;
}

function isCurrent(stored: Identity, token: JoinToken | undefined, now: Date): boolean {
  if (token !== undefined && rootHashOf(stored) !== token.rootHash) return false;
  return expiresAt(stored) > now;
}

async function findJoinToken(config: WorkerConfig): Promise<JoinToken | undefined> {
  if (config.joinToken !== undefined) return parseJoinToken(config.joinToken.reveal());
  if (config.joinTokenFile === undefined) return undefined;
  try {
    return parseJoinToken(await readFile(config.joinTokenFile, "utf8"));
  } catch (cause) {
    if (isPlatformError(cause)) throw cause;
    // The file may be gone after the first start, which is when the token was spent.
    if (errnoOf(cause) === "ENOENT") return undefined;
    throw unreadableToken(config.joinTokenFile, cause);
  }
}

/** One key and one request for all tries, so that a server that remembers the request can answer it again. */
async function register(
  { clock, random, log }: RegisterDeps,
  serverUrl: string,
  token: JoinToken,
  signal: AbortSignal,
): Promise<Identity> {
  const request = await createCertificateRequest();
  for (let failures = 0; !signal.aborted; failures += 1) {
    try {
      return await registerOnce(serverUrl, token, request, signal);
    } catch (error) {
      const failure = toRegisterFailure(error, serverUrl);
      if (failure.code !== "unavailable") throw failure;
      const delayMs = Math.round(reconnectDelayMs(failures, random));
      log.warn({ event: "worker.register_retried", delayMs, message: failure.message });
      await clock.sleep(delayMs, signal);
    }
  }
  throw new PlatformError("cancelled", "stopped", "the worker was stopped before it had joined");
}

async function registerOnce(
  serverUrl: string,
  token: JoinToken,
  { keyPem, requestDer }: CertificateRequest,
  signal: AbortSignal,
): Promise<Identity> {
  const rootPem = await fetchRootCertificate(serverUrl, token.rootHash, signal);
  const connection = openConnection(serverUrl, { rootPem });
  try {
    const { workerId, certificateChain } = await connection.client.register(
      { joinToken: token.text, certificateRequest: requestDer },
      { timeoutMs: REGISTER_TIMEOUT_MS, signal },
    );
    return { workerId, keyPem, certificateChainPem: certificateChain, rootPem };
  } finally {
    connection.close();
  }
}

/** Answers after which the same token cannot succeed. */
const FINAL_CODES: ReadonlySet<Code> = new Set([
  Code.Unauthenticated,
  Code.PermissionDenied,
  Code.InvalidArgument,
  Code.NotFound,
  Code.AlreadyExists,
  Code.FailedPrecondition,
  Code.Unimplemented,
]);

function toRegisterFailure(error: unknown, serverUrl: string): PlatformError {
  if (isPlatformError(error)) return error;
  const { code, rawMessage } = ConnectError.from(error);
  if (findRefusal(error) === "untrusted") {
    return new PlatformError(
      "permission_denied",
      "untrusted_server",
      `the certificate of ${serverUrl} does not hold for this address: ${rawMessage}. Use the name the server was set up with`,
      { cause: error },
    );
  }
  if (FINAL_CODES.has(code)) {
    return new PlatformError(
      "unauthenticated",
      "join_refused",
      `${serverUrl} refused the join token: ${rawMessage}. A token works once and for a limited time; make a new one and start the worker with it`,
      { cause: error },
    );
  }
  return new PlatformError(
    "unavailable",
    "server_unreachable",
    `cannot register at ${serverUrl}: ${rawMessage}`,
    { cause: error },
  );
}

function unreadableToken(path: string, cause: unknown): PlatformError {
  return new PlatformError(
    "failed_precondition",
    "unreadable_join_token",
    `cannot read the join token file ${path}: ${String(cause)}`,
    { cause },
  );
}

function neverJoined({ stateDir, joinTokenFile }: WorkerConfig): PlatformError {
  const next =
    joinTokenFile === undefined
      ? "give it a join token in HODEI_WORKER_JOIN_TOKEN_FILE or HODEI_WORKER_JOIN_TOKEN"
      : `the file of its join token, ${joinTokenFile}, does not exist: put one there, or name the state folder of before`;
  const message = `this worker has not joined a server yet (nothing in ${stateDir}): ${next}`;
  return new PlatformError("failed_precondition", "join_token_missing", message);
}

function expired(identity: Identity): PlatformError {
  return new PlatformError(
    "failed_precondition",
    "certificate_expired",
    `the worker's certificate expired at ${expiresAt(identity).toISOString()}: start it with a new join token`,
  );
}

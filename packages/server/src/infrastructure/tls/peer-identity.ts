import type { TLSSocket } from "node:tls";
import { PlatformError, parseWorkerId, type WorkerId } from "@hodei/domain";

/** The one name that a worker's certificate carries; certificates.ts writes it. */
const WORKER_NAME = /^URI:spiffe:\/\/hodei\/worker\/([0-9a-f-]{36})$/;

/**
 * The worker at the other end of a TLS connection, from its certificate.
 *
 * The certificate must have been verified against our root by the handshake, which also checks its purpose. Its end is
 * checked again here, because a connection may outlive it and a resumed TLS session is not verified anew.
 * @throws PlatformError `unauthenticated` for any other peer
 */
export function getPeerWorkerId(
  socket: Pick<TLSSocket, "authorized" | "authorizationError" | "getPeerX509Certificate">,
  now: Date = new Date(),
): WorkerId {
  const certificate = socket.getPeerX509Certificate();
  if (certificate === undefined) throw refused("no client certificate was shown");
  if (!socket.authorized) {
    const why: unknown = socket.authorizationError;
    throw refused(`the client certificate was not issued by this server or has expired (${why})`);
  }
  if (certificate.validToDate <= now) {
    throw refused(`the client certificate expired on ${certificate.validToDate.toISOString()}`);
  }
  const [, id] = WORKER_NAME.exec(certificate.subjectAltName ?? "") ?? [];
  if (id === undefined) throw refused("the client certificate names no worker");
  return parseWorkerId(id);
}

function refused(why: string): PlatformError {
  return new PlatformError(
    "unauthenticated",
    "worker_certificate_refused",
    `${why}; a worker gets its certificate by registering with a join token`,
  );
}

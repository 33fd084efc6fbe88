import { createHash, X509Certificate } from "node:crypto";
import { isIP } from "node:net";
import { connect, type DetailedPeerCertificate, type TLSSocket } from "node:tls";
import { PlatformError } from "@hodei/domain";

const TIMEOUT_MS = 10_000;
/** Longest chain that is looked at; ours has three certificates. */
const MAX_CHAIN_LENGTH = 8;

/**
 * The root certificate (PEM) that the server shows and whose DER has the SHA-256 `rootHash` (base64url).
 *
 * The connection is not verified and carries nothing: the hash, which came with the join token by another way, is what
 * makes the root trustworthy. Everything after this verifies TLS against that root.
 * @throws PlatformError `unavailable` if the server cannot be reached within 10 s; `permission_denied`, reason
 * `untrusted_server`, if it shows no such root
 */
export async function fetchRootCertificate(
  serverUrl: string,
  rootHash: string,
  signal: AbortSignal,
): Promise<string> {
  const chain = await fetchChain(new URL(serverUrl), signal);
  const root = chain.find(
    (der) => createHash("sha256").update(der).digest("base64url") === rootHash,
  );
  if (root !== undefined) return new X509Certificate(root).toString();
  throw new PlatformError(
    "permission_denied",
    "untrusted_server",
    `${serverUrl} is not the server that made this join token: none of its ${chain.length} certificates has the token's fingerprint. Check the address, and that nothing between here and the server ends TLS; or make a new token on this server`,
  );
}

function fetchChain({ hostname, port, origin }: URL, signal: AbortSignal): Promise<Buffer[]> {
  // URL keeps the brackets of an IPv6 address, which connect() does not want.
  const host = hostname.replace(/^\[|\]$/g, "");
  return new Promise((resolve, reject) => {
    const socket = connect({
      host,
      port: Number(port || 443),
      // Server Name Indication knows names only (RFC 6066 §3).
      ...(isIP(host) === 0 && { servername: host }),
      ALPNProtocols: ["h2"],
      rejectUnauthorized: false,
    });
    const fail = (cause: Error): void => {
      socket.destroy();
      reject(unreachable(origin, cause));
    };
    const stop = (): void => fail(new Error("the worker was stopped"));
    signal.addEventListener("abort", stop, { once: true });
    socket.setTimeout(TIMEOUT_MS, () => fail(new Error(`no answer within ${TIMEOUT_MS} ms`)));
    socket.once("error", fail);
    socket.once("close", () => signal.removeEventListener("abort", stop));
    socket.once("secureConnect", () => {
      resolve(chainOf(socket));
      socket.destroy();
    });
  });
}

function unreachable(origin: string, cause: Error): PlatformError {
  return new PlatformError(
    "unavailable",
    "server_unreachable",
    `cannot reach ${origin}: ${cause.message}`,
    { cause },
  );
}

function chainOf(socket: TLSSocket): Buffer[] {
  const chain: Buffer[] = [];
  let certificate: DetailedPeerCertificate | undefined = socket.getPeerCertificate(true);
  while (certificate?.raw && chain.length < MAX_CHAIN_LENGTH) {
    chain.push(certificate.raw);
    // The last of a chain is its own issuer.
    if (certificate.issuerCertificate === certificate) break;
    certificate = certificate.issuerCertificate;
  }
  return chain;
}

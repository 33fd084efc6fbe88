import { createHash, createPrivateKey, type KeyObject, X509Certificate } from "node:crypto";
import { isIP } from "node:net";
import { hostname } from "node:os";
import {
  type CertificateAuthority,
  type IssuedCertificate,
  PlatformError,
  type WorkerId,
} from "@hodei/domain";
import { type AuthorityFiles, findAuthorityFiles, placeAuthorityFiles } from "./authority-files.ts";
import {
  createIntermediate,
  createKeys,
  createRoot,
  createServerLeaf,
  createWorkerLeaf,
  type Issuer,
  parseCertificateRequest,
  toIssuer,
  toPem,
  type Validity,
  validityFrom,
} from "./certificates.ts";

const DAY_MS = 24 * 60 * 60_000;
const ROOT_LIFETIME_MS = 3_650 * DAY_MS;
const INTERMEDIATE_LIFETIME_MS = 1_825 * DAY_MS;
const SERVER_LIFETIME_MS = 30 * DAY_MS;
const DEFAULT_WORKER_LIFETIME_MS = 30 * DAY_MS;

/** Names that every server certificate carries. */
const OWN_HOSTNAMES = ["localhost", "127.0.0.1", "::1"];
/** A DNS name, its first label perhaps a wildcard. */
const DNS_NAME = /^(?=.{1,253}$)(\*\.)?[a-z0-9_]([a-z0-9_-]{0,62})(\.[a-z0-9_-]{1,63})*$/i;

export interface AuthorityOptions {
  /** How long a worker's certificate holds. Default: 30 days. */
  readonly workerLifetimeMs?: number;
  readonly now?: () => Date;
}

/** What a TLS server shows. */
export interface ServerCertificate {
  readonly keyPem: string;
  /** Leaf, intermediate and root: a joining worker knows the root by its fingerprint only. */
  readonly chainPem: string;
  readonly expiresAt: Date;
}

/**
 * The certificate authority in folder `dir`, created on the first start: a root (10 years) that signs an intermediate (5
 * years) that signs leaves, all ECDSA P-256. Several processes may open the same folder at once; all get the same one.
 * @throws PlatformError `failed_precondition` if it is unreadable, damaged, expired or open to other users
 */
export async function openCertificateAuthority(
  dir: string,
  options: AuthorityOptions = {},
): Promise<LocalCertificateAuthority> {
  const now = options.now ?? (() => new Date());
  const found = await findAuthorityFiles(dir);
  if (found === undefined) await placeAuthorityFiles(dir, await createAuthority(now()));
  const files = found ?? (await findAuthorityFiles(dir));
  if (files === undefined) throw broken(dir, "the folder vanished while it was opened");
  const issuer = checkAuthority(dir, files, now());
  return new LocalCertificateAuthority(issuer, files, { ...options, now });
}

/** A certificate authority whose keys are files of this machine. */
export class LocalCertificateAuthority implements CertificateAuthority {
  /** What peers have to trust, PEM. */
  readonly rootPem: string;
  /** SHA-256 of the root certificate, DER, as base64url. */
  readonly rootFingerprint: string;
  readonly #issuer: Issuer;
  readonly #intermediatePem: string;
  readonly #workerLifetimeMs: number;
  readonly #now: () => Date;

  constructor(
    issuer: Issuer,
    files: Pick<AuthorityFiles, "rootPem" | "intermediatePem">,
    options: AuthorityOptions & { readonly now: () => Date },
  ) {
    this.rootPem = withNewline(files.rootPem);
    this.rootFingerprint = createHash("sha256")
      .update(new X509Certificate(files.rootPem).raw)
      .digest("base64url");
    this.#issuer = issuer;
    this.#intermediatePem = withNewline(files.intermediatePem);
    this.#workerLifetimeMs = options.workerLifetimeMs ?? DEFAULT_WORKER_LIFETIME_MS;
    this.#now = options.now;
  }

  async issueWorkerCertificate(
    requestDer: Uint8Array,
    workerId: WorkerId,
  ): Promise<IssuedCertificate> {
    const publicKey = await parseCertificateRequest(requestDer);
    const validity = this.#validity(this.#workerLifetimeMs);
    const leaf = await createWorkerLeaf(this.#issuer, { workerId, publicKey, validity });
    return {
      chainPem: withNewline(leaf.toString("pem")) + this.#intermediatePem,
      expiresAt: validity.notAfter,
    };
  }

  /**
   * A certificate with a fresh key for `hostnames` (DNS names or IP addresses), this machine's own name and the loopback
   * names; holds for 30 days. The caller renews it.
   * @throws PlatformError `invalid_argument` if a name is neither
   */
  async issueServerCertificate(hostnames: readonly string[]): Promise<ServerCertificate> {
    const names = [...new Set([...OWN_HOSTNAMES, ...ownHostname(), ...hostnames.map(checkName)])];
    const validity = this.#validity(SERVER_LIFETIME_MS);
    const { publicKey, privateKey } = await createKeys();
    const leaf = await createServerLeaf(this.#issuer, { hostnames: names, publicKey, validity });
    return {
      keyPem: toPem(privateKey),
      chainPem: withNewline(leaf.toString("pem")) + this.#intermediatePem + this.rootPem,
      expiresAt: validity.notAfter,
    };
  }

  /** No leaf outlives what signed it. */
  #validity(lifetimeMs: number): Validity {
    const now = this.#now();
    const { notAfter } = this.#issuer.certificate;
    if (notAfter <= now) throw expired("the intermediate certificate", notAfter);
    return validityFrom(now, Math.min(lifetimeMs, notAfter.getTime() - now.getTime()));
  }
}

async function createAuthority(now: Date): Promise<AuthorityFiles> {
  const root = await createRoot(validityFrom(now, ROOT_LIFETIME_MS));
  const intermediate = await createIntermediate(root, validityFrom(now, INTERMEDIATE_LIFETIME_MS));
  return {
    rootPem: withNewline(root.certificate.toString("pem")),
    rootKeyPem: toPem(root.privateKey),
    intermediatePem: withNewline(intermediate.certificate.toString("pem")),
    intermediateKeyPem: toPem(intermediate.privateKey),
  };
}

/** The intermediate, once the four files are known to belong together and to hold still. */
function checkAuthority(dir: string, files: AuthorityFiles, now: Date): Issuer {
  const root = parseCertificate(dir, "root.crt", files.rootPem);
  const intermediate = parseCertificate(dir, "intermediate.crt", files.intermediatePem);
  const rootKey = parseKey(dir, "root.key", files.rootKeyPem);
  const intermediateKey = parseKey(dir, "intermediate.key", files.intermediateKeyPem);
  if (!root.ca || !root.verify(root.publicKey)) throw broken(dir, "root.crt is no root");
  if (!root.checkPrivateKey(rootKey)) throw broken(dir, "root.key does not match root.crt");
  if (!intermediate.ca || !intermediate.verify(root.publicKey)) {
    throw broken(dir, "intermediate.crt was not signed by root.crt");
  }
  if (!intermediate.checkPrivateKey(intermediateKey)) {
    throw broken(dir, "intermediate.key does not match intermediate.crt");
  }
  for (const certificate of [root, intermediate]) {
    if (certificate.validToDate <= now) throw expired(dir, certificate.validToDate);
  }
  return toIssuer(intermediate.raw, intermediateKey);
}

function parseCertificate(dir: string, name: string, pem: string): X509Certificate {
  try {
    return new X509Certificate(pem);
  } catch (cause) {
    throw broken(dir, `${name} is no PEM certificate`, cause);
  }
}

function parseKey(dir: string, name: string, pem: string): KeyObject {
  try {
    return createPrivateKey(pem);
  } catch (cause) {
    throw broken(dir, `${name} is no PEM private key`, cause);
  }
}

function broken(dir: string, why: string, cause?: unknown): PlatformError {
  return new PlatformError(
    "failed_precondition",
    "ca_damaged",
    `the certificate authority in ${dir} is damaged: ${why}; put it back from a backup, or move the folder away for a new authority (every worker then has to join again)`,
    { cause },
  );
}

function expired(what: string, at: Date): PlatformError {
  return new PlatformError(
    "failed_precondition",
    "ca_expired",
    `${what}: the certificate authority expired on ${at.toISOString()}; move its folder away for a new one (every worker then has to join again)`,
  );
}

/** This machine's name, unless it is one that no certificate can carry. */
function ownHostname(): string[] {
  const name = hostname();
  return DNS_NAME.test(name) ? [name] : [];
}

function checkName(name: string): string {
  if ((isIP(name) !== 0 && !name.includes("%")) || DNS_NAME.test(name)) return name;
  throw new PlatformError(
    "invalid_argument",
    "bad_hostname",
    `"${name}" is neither a DNS name nor an IP address, so no certificate can carry it`,
  );
}

function withNewline(pem: string): string {
  return `${pem.trimEnd()}\n`;
}

import "./reflect-metadata.ts";
import { KeyObject, type webcrypto } from "node:crypto";
import { isIP } from "node:net";
import { PlatformError, type WorkerId } from "@hodei/domain";
import {
  AuthorityKeyIdentifierExtension,
  BasicConstraintsExtension,
  ExtendedKeyUsage,
  ExtendedKeyUsageExtension,
  type Extension,
  KeyUsageFlags,
  KeyUsagesExtension,
  Pkcs10CertificateRequest,
  type PublicKey,
  SubjectAlternativeNameExtension,
  SubjectKeyIdentifierExtension,
  X509Certificate,
  X509CertificateGenerator,
} from "@peculiar/x509";

/** Of every key and signature here: ECDSA on P-256 with SHA-256. */
const KEY_ALGORITHM = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" } as const;

/** Every certificate starts this long before now, for peers whose clock is behind ours. */
const BACKDATE_MS = 5 * 60_000;

/** What signs: a certificate and its private key. */
export interface Issuer {
  readonly certificate: X509Certificate;
  readonly privateKey: webcrypto.CryptoKey;
}

/** From when to when a certificate holds; whole seconds, as X.509 knows no smaller unit. */
export interface Validity {
  readonly notBefore: Date;
  readonly notAfter: Date;
}

/** `lifetimeMs` from `now`, and the time before it that allows for skewed clocks. */
export function validityFrom(now: Date, lifetimeMs: number): Validity {
  const seconds = (ms: number) => new Date(Math.floor(ms / 1000) * 1000);
  return {
    notBefore: seconds(now.getTime() - BACKDATE_MS),
    notAfter: seconds(now.getTime() + lifetimeMs),
  };
}

/** A fresh key pair; its private key can be exported. */
export async function createKeys(): Promise<webcrypto.CryptoKeyPair> {
  return crypto.subtle.generateKey(KEY_ALGORITHM, true, ["sign", "verify"]);
}

/** The private key as PKCS #8, PEM. */
export function toPem(privateKey: webcrypto.CryptoKey): string {
  return KeyObject.from(privateKey).export({ type: "pkcs8", format: "pem" }) as string;
}

/** A stored certificate and its key, ready to sign. */
export function toIssuer(certificateDer: Uint8Array, key: KeyObject): Issuer {
  return {
    certificate: new X509Certificate(Uint8Array.from(certificateDer)),
    privateKey: key.toCryptoKey(KEY_ALGORITHM, false, ["sign"]),
  };
}

/** A self-signed certificate that may sign intermediates. */
export async function createRoot(validity: Validity): Promise<Issuer> {
  const keys = await createKeys();
  const certificate = await X509CertificateGenerator.createSelfSigned({
    name: [{ CN: ["Hodei root"] }],
    keys,
    signingAlgorithm: KEY_ALGORITHM,
    ...validity,
    extensions: [
      ...authorityExtensions(1),
      await SubjectKeyIdentifierExtension.create(keys.publicKey),
    ],
  });
  return { certificate, privateKey: keys.privateKey };
}

/** A certificate that may sign leaves only. */
export async function createIntermediate(root: Issuer, validity: Validity): Promise<Issuer> {
  const keys = await createKeys();
  const certificate = await sign(root, {
    commonName: "Hodei intermediate",
    publicKey: keys.publicKey,
    validity,
    extensions: authorityExtensions(0),
  });
  return { certificate, privateKey: keys.privateKey };
}

/** A client certificate that names `workerId` in its URI SAN. */
export async function createWorkerLeaf(
  issuer: Issuer,
  leaf: {
    readonly workerId: WorkerId;
    readonly publicKey: PublicKey;
    readonly validity: Validity;
  },
): Promise<X509Certificate> {
  return sign(issuer, {
    commonName: leaf.workerId,
    publicKey: leaf.publicKey,
    validity: leaf.validity,
    extensions: leafExtensions(ExtendedKeyUsage.clientAuth, [
      { type: "url", value: workerUri(leaf.workerId) },
    ]),
  });
}

/** A server certificate for DNS names and IP addresses. */
export async function createServerLeaf(
  issuer: Issuer,
  leaf: {
    readonly hostnames: readonly string[];
    readonly publicKey: webcrypto.CryptoKey;
    readonly validity: Validity;
  },
): Promise<X509Certificate> {
  return sign(issuer, {
    commonName: "Hodei server",
    publicKey: leaf.publicKey,
    validity: leaf.validity,
    extensions: leafExtensions(
      ExtendedKeyUsage.serverAuth,
      leaf.hostnames.map((value) => ({ type: isIP(value) === 0 ? "dns" : "ip", value })),
    ),
  });
}

/** The name of a worker in certificates. */
function workerUri(workerId: WorkerId): string {
  return `spiffe://hodei/worker/${workerId}`;
}

/**
 * The public key of a certificate request, proved to be in the hands of the sender.
 * @throws PlatformError `invalid_argument` if the request is malformed, badly signed or not ECDSA P-256
 */
export async function parseCertificateRequest(requestDer: Uint8Array): Promise<PublicKey> {
  try {
    const request = new Pkcs10CertificateRequest(Uint8Array.from(requestDer));
    const { publicKey } = request;
    const algorithm: { name: string; namedCurve?: string } = publicKey.algorithm;
    if (algorithm.name !== "ECDSA" || algorithm.namedCurve !== "P-256") {
      throw badRequest("its key must be ECDSA on P-256");
    }
    if (!(await request.verify())) throw badRequest("its signature does not match its key");
    return publicKey;
  } catch (error) {
    if (error instanceof PlatformError) throw error;
    throw badRequest("it cannot be parsed as PKCS #10, DER", error);
  }
}

function badRequest(why: string, cause?: unknown): PlatformError {
  return new PlatformError(
    "invalid_argument",
    "bad_certificate_request",
    `certificate request refused: ${why}`,
    { cause },
  );
}

interface Certified {
  readonly commonName: string;
  readonly publicKey: PublicKey | webcrypto.CryptoKey;
  readonly validity: Validity;
  readonly extensions: readonly Extension[];
}

async function sign(issuer: Issuer, certified: Certified): Promise<X509Certificate> {
  return X509CertificateGenerator.create({
    issuer: issuer.certificate.subjectName,
    subject: [{ CN: [certified.commonName] }],
    publicKey: certified.publicKey,
    signingKey: issuer.privateKey,
    signingAlgorithm: KEY_ALGORITHM,
    ...certified.validity,
    extensions: [
      ...certified.extensions,
      await SubjectKeyIdentifierExtension.create(certified.publicKey),
      await AuthorityKeyIdentifierExtension.create(issuer.certificate.publicKey),
    ],
  });
}

function authorityExtensions(pathLength: number): Extension[] {
  return [
    new BasicConstraintsExtension(true, pathLength, true),
    new KeyUsagesExtension(KeyUsageFlags.keyCertSign | KeyUsageFlags.cRLSign, true),
  ];
}

function leafExtensions(
  usage: ExtendedKeyUsage,
  names: ConstructorParameters<typeof SubjectAlternativeNameExtension>[0],
): Extension[] {
  return [
    new BasicConstraintsExtension(false, undefined, true),
    new KeyUsagesExtension(KeyUsageFlags.digitalSignature, true),
    new ExtendedKeyUsageExtension([usage]),
    new SubjectAlternativeNameExtension(names),
  ];
}

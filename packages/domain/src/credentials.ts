import type { WorkerId } from "./ids.ts";

/** Join tokens: one-use secrets that also carry the fingerprint of our root certificate. */
export interface JoinTokenCodec {
  create(): { readonly token: string; readonly hash: string };
  /** Hash under which a token is stored; of any text, so that a malformed token is simply unknown. */
  hash(token: string): string;
}

export interface IssuedCertificate {
  /** Leaf and intermediate, PEM. */
  readonly chainPem: string;
  readonly expiresAt: Date;
}

/** Turns certificate requests of workers into certificates. */
export interface CertificateAuthority {
  /**
   * A certificate for the worker named in its URI SAN; of the request only the public key is used.
   * @throws PlatformError `invalid_argument` if the request is malformed, badly signed or not ECDSA P-256
   */
  issueWorkerCertificate(requestDer: Uint8Array, workerId: WorkerId): Promise<IssuedCertificate>;
}

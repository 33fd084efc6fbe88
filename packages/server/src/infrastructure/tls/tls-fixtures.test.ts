import "./reflect-metadata.ts";
import { KeyObject, type webcrypto } from "node:crypto";
import { Pkcs10CertificateRequestGenerator } from "@peculiar/x509";

const P256 = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" };

type KeyAlgorithm = webcrypto.EcKeyGenParams | webcrypto.RsaHashedKeyGenParams;

/** A certificate request as a worker makes it, with its key. */
export async function createRequest(algorithm: KeyAlgorithm = P256): Promise<{
  requestDer: Uint8Array;
  keyPem: string;
  publicKeyPem: string;
}> {
  const keys = await crypto.subtle.generateKey(algorithm, true, ["sign", "verify"]);
  const request = await Pkcs10CertificateRequestGenerator.create({
    name: "CN=ignored",
    keys,
    signingAlgorithm: algorithm,
  });
  const pem = (key: webcrypto.CryptoKey, type: "pkcs8" | "spki") =>
    KeyObject.from(key).export({ type, format: "pem" }) as string;
  return {
    requestDer: new Uint8Array(request.rawData),
    keyPem: pem(keys.privateKey, "pkcs8"),
    publicKeyPem: pem(keys.publicKey, "spki"),
  };
}

/** The certificates of a chain, one by one. */
export function splitPem(chainPem: string): string[] {
  return chainPem.match(/-----BEGIN [\s\S]+?-----END CERTIFICATE-----/g) ?? [];
}

import { createHash, generateKeyPairSync, type KeyObject, sign } from "node:crypto";
import { der } from "../src/der.ts";

/** A certificate authority of one test: a root that signs leaves itself. */
export interface TestAuthority {
  readonly rootPem: string;
  readonly rootHash: string;
  /** For a server on 127.0.0.1 and localhost; the chain includes the root. */
  issueServer(): { keyPem: string; chainPem: string };
  /** For the public key of a PKCS #10 request, with `name` as common name; PEM. */
  issueWorker(requestDer: Uint8Array, name: string): string;
}

const TAG = { boolean: 0x01, integer: 0x02, bitString: 0x03, octets: 0x04, oid: 0x06, utf8: 0x0c };
const SEQUENCE = 0x30;
const SET = 0x31;
const UTC_TIME = 0x17;
/** The fixed start of every P-256 SubjectPublicKeyInfo; 65 bytes of the point follow. */
const P256_SPKI = Buffer.from("3059301306072a8648ce3d020106082a8648ce3d030107034200", "hex");
const OID = {
  ecdsaWithSha256: oid("2a8648ce3d040302"),
  commonName: oid("550403"),
  basicConstraints: oid("551d13"),
  subjectAltName: oid("551d11"),
};

interface Leaf {
  readonly subject: string;
  readonly spki: Uint8Array;
  readonly extensions: readonly Buffer[];
}

export function createTestAuthority(): TestAuthority {
  const name = "test root";
  const { publicKey, privateKey } = newKey();
  const isAuthority = extension(
    OID.basicConstraints,
    der(SEQUENCE, [der(TAG.boolean, [Buffer.of(255)])]),
  );
  const root = certify(
    { subject: name, spki: spkiOf(publicKey), extensions: [isAuthority] },
    name,
    privateKey,
  );
  return {
    rootPem: toPem(root),
    rootHash: createHash("sha256").update(root).digest("base64url"),
    issueServer() {
      const key = newKey();
      const extensions = [extension(OID.subjectAltName, der(SEQUENCE, LOCAL_NAMES))];
      const leaf = certify(
        { subject: "server", spki: spkiOf(key.publicKey), extensions },
        name,
        privateKey,
      );
      const keyPem = key.privateKey.export({ type: "pkcs8", format: "pem" }).toString();
      return { keyPem, chainPem: toPem(leaf) + toPem(root) };
    },
    issueWorker(requestDer, subject) {
      const request = Buffer.from(requestDer);
      const at = request.indexOf(P256_SPKI);
      const spki = request.subarray(at, at + P256_SPKI.length + 65);
      return toPem(certify({ subject, spki, extensions: [] }, name, privateKey));
    },
  };
}

/** GeneralNames: [2] a DNS name, [7] an address. */
const LOCAL_NAMES = [der(0x82, [Buffer.from("localhost")]), der(0x87, [Buffer.of(127, 0, 0, 1)])];

/** X.509 version 3, valid from yesterday for two days (RFC 5280 §4.1). */
function certify({ subject, spki, extensions }: Leaf, issuer: string, key: KeyObject): Buffer {
  const algorithm = der(SEQUENCE, [OID.ecdsaWithSha256]);
  const dayMs = 86_400_000;
  const toBeSigned = der(SEQUENCE, [
    der(0xa0, [der(TAG.integer, [Buffer.of(2)])]),
    der(TAG.integer, [Buffer.of(1 + Math.floor(Math.random() * 126))]),
    algorithm,
    nameOf(issuer),
    der(SEQUENCE, [utcTime(Date.now() - dayMs), utcTime(Date.now() + dayMs)]),
    nameOf(subject),
    spki,
    ...(extensions.length > 0 ? [der(0xa3, [der(SEQUENCE, extensions)])] : []),
  ]);
  const signature = sign("sha256", toBeSigned, key);
  return der(SEQUENCE, [toBeSigned, algorithm, der(TAG.bitString, [Buffer.of(0), signature])]);
}

const newKey = () => generateKeyPairSync("ec", { namedCurve: "P-256" });

const spkiOf = (key: KeyObject): Buffer => key.export({ type: "spki", format: "der" });

function oid(hex: string): Buffer {
  return der(TAG.oid, [Buffer.from(hex, "hex")]);
}

function nameOf(commonName: string): Buffer {
  const value = der(TAG.utf8, [Buffer.from(commonName)]);
  return der(SEQUENCE, [der(SET, [der(SEQUENCE, [OID.commonName, value])])]);
}

function utcTime(ms: number): Buffer {
  const digits = new Date(ms).toISOString().replace(/\D/g, "");
  return der(UTC_TIME, [Buffer.from(`${digits.slice(2, 14)}Z`)]);
}

const extension = (id: Buffer, value: Buffer): Buffer =>
  der(SEQUENCE, [id, der(TAG.octets, [value])]);

function toPem(certificate: Buffer): string {
  const lines = certificate.toString("base64").match(/.{1,64}/g) ?? [];
  return `-----BEGIN CERTIFICATE-----\n${lines.join("\n")}\n-----END CERTIFICATE-----\n`;
}

import assert from "node:assert/strict";
import { createPrivateKey, createPublicKey, verify } from "node:crypto";
import { test } from "node:test";
import { createCertificateRequest } from "./certificate-request.ts";

test("a request is signed by the key that it asks a certificate for", async () => {
  const { keyPem, requestDer } = await createCertificateRequest();
  const key = createPrivateKey(keyPem);
  assert.equal(key.asymmetricKeyDetails?.namedCurve, "prime256v1");
  const publicKey = createPublicKey(key);
  const [info, , signature] = partsOf(requestDer);
  assert.ok(info && signature);
  const spki = publicKey.export({ type: "spki", format: "der" });
  assert.ok(Buffer.from(info).includes(spki));
  // The first content byte of a bit string counts its unused bits.
  assert.equal(verify("sha256", info, publicKey, signature.subarray(3)), true);
});

/** The values inside a DER sequence, each with its tag and length; lengths below 64 KiB. */
function partsOf(sequence: Uint8Array): Uint8Array[] {
  const { start, end } = contentOf(sequence, 0);
  assert.equal(end, sequence.length);
  const parts: Uint8Array[] = [];
  for (let at = start; at < end; ) {
    const next = contentOf(sequence, at).end;
    parts.push(sequence.subarray(at, next));
    at = next;
  }
  return parts;
}

function contentOf(bytes: Uint8Array, at: number): { start: number; end: number } {
  const first = bytes[at + 1] ?? 0;
  const lengthBytes = first < 0x80 ? 0 : first & 0x7f;
  const start = at + 2 + lengthBytes;
  const length =
    lengthBytes === 0
      ? first
      : Number(`0x${Buffer.from(bytes.subarray(at + 2, start)).toString("hex")}`);
  return { start, end: start + length };
}

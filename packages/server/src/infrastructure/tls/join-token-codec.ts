import { createHash, randomBytes } from "node:crypto";
import type { JoinTokenCodec } from "@hodei/domain";

const SECRET_BYTES = 32;

/**
 * Tokens of the form `hodei-join.<secret>.<root fingerprint>`, both parts base64url: 32 random bytes, and the SHA-256 of
 * the root certificate (DER), by which a worker knows the server before it has any other reason to trust it. Hashes are
 * SHA-256 of the whole token, hexadecimal; the secret is random, so a fast hash is as good as a slow one.
 */
export function joinTokenCodec(rootFingerprint: string): JoinTokenCodec {
  const hash = (token: string) => createHash("sha256").update(token).digest("hex");
  return {
    create() {
      const secret = randomBytes(SECRET_BYTES).toString("base64url");
      const token = `hodei-join.${secret}.${rootFingerprint}`;
      return { token, hash: hash(token) };
    },
    hash,
  };
}

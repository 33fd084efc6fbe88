import { PlatformError } from "@hodei/domain";

/** What a join token says: a secret that is spent by use, and which root certificate the server must show. */
export interface JoinToken {
  /** The whole text, as `Register` wants it. */
  readonly text: string;
  /** SHA-256 of the root certificate's DER, base64url. */
  readonly rootHash: string;
}

const FORM = /^hodei-join\.[A-Za-z0-9_-]{16,}\.([A-Za-z0-9_-]{43})$/;

/**
 * Reads `hodei-join.<secret>.<sha256 of the root certificate's DER>`, both base64url; blanks around it are dropped,
 * since tokens come from files and clipboards.
 * @throws PlatformError `invalid_argument`, reason `malformed_join_token`
 */
export function parseJoinToken(text: string): JoinToken {
  const trimmed = text.trim();
  const rootHash = FORM.exec(trimmed)?.[1];
  if (rootHash !== undefined) return { text: trimmed, rootHash };
  throw new PlatformError(
    "invalid_argument",
    "malformed_join_token",
    "the join token is malformed or cut off; it looks like hodei-join.….… and must be copied whole",
  );
}

import { randomBytes } from "node:crypto";
import { type MasterKey, PlatformError, type Secret } from "@hodei/domain";
import { decrypt, encrypt, KEY_BYTES } from "./aes-gcm.ts";

/** A value under a key of its own, and that key under the master key. */
export interface Envelope {
  readonly wrappedKey: Uint8Array;
  readonly sealedValue: Uint8Array;
}

/** What an envelope belongs to; one that is moved to another row, or put back from an older version, does not open. */
export type EnvelopeOwner = Pick<Secret, "tenantId" | "name" | "version">;

/** Seals `value`, which is left as it is. */
export async function seal(
  masterKey: MasterKey,
  owner: EnvelopeOwner,
  value: Uint8Array,
): Promise<Envelope> {
  const dataKey = randomBytes(KEY_BYTES);
  try {
    const context = contextOf(owner);
    const sealedValue = encrypt(dataKey, value, context);
    return { wrappedKey: await masterKey.wrap(dataKey, context), sealedValue };
  } finally {
    dataKey.fill(0);
  }
}

/** The value that was sealed for `owner`. @throws PlatformError `failed_precondition`, reason `secret_unreadable` */
export async function unseal(
  masterKey: MasterKey,
  owner: EnvelopeOwner,
  { wrappedKey, sealedValue }: Envelope,
): Promise<Uint8Array> {
  const context = contextOf(owner);
  const dataKey = await masterKey.unwrap(wrappedKey, context);
  try {
    return decrypt(dataKey, sealedValue, context) ?? unreadable();
  } finally {
    dataKey.fill(0);
  }
}

/** For what does not open under the key and context at hand. */
export function unreadable(): never {
  throw new PlatformError(
    "failed_precondition",
    "secret_unreadable",
    "what is stored is not what was stored, or was stored under another master key; set the secret again",
  );
}

/** JSON, so that no two owners have the same bytes. */
function contextOf({ tenantId, name, version }: EnvelopeOwner): Uint8Array {
  return Buffer.from(JSON.stringify(["hodei.secret", tenantId, name, version]));
}

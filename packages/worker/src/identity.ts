import { createHash, randomUUID, X509Certificate } from "node:crypto";
import { open, readFile, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { PlatformError } from "@hodei/domain";
import { z } from "zod";
import { errnoOf } from "./errno.ts";

const schema = z.object({
  workerId: z.string(),
  /** PKCS #8. */
  keyPem: z.string(),
  /** Leaf and intermediate. */
  certificateChainPem: z.string(),
  /** The only root this worker trusts. */
  rootPem: z.string(),
});

/** Who the worker is: what a join token was turned into. */
export type Identity = Readonly<z.output<typeof schema>>;

/** Where the identity of the worker of `stateDir` is kept. */
const identityPath = (stateDir: string): string => join(stateDir, "identity.json");

/**
 * The stored identity, or `undefined` when this worker has never joined.
 * @throws PlatformError `failed_precondition`, reason `unreadable_identity`
 */
export async function findIdentity(stateDir: string): Promise<Identity | undefined> {
  const path = identityPath(stateDir);
  try {
    return schema.parse(JSON.parse(await readFile(path, "utf8")));
  } catch (cause) {
    if (errnoOf(cause) === "ENOENT") return undefined;
    throw unreadable(path, cause);
  }
}

/** Stores `identity`, mode 0600: after a crash there is the old one or the new one, whole. */
export async function saveIdentity(stateDir: string, identity: Identity): Promise<void> {
  const path = identityPath(stateDir);
  const draft = `${path}.${randomUUID()}`;
  try {
    const file = await open(draft, "wx", 0o600);
    try {
      await file.writeFile(JSON.stringify(identity, null, 2));
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(draft, path);
  } catch (cause) {
    await rm(draft, { force: true });
    throw notSaved(path, cause);
  }
  await syncFolder(stateDir);
}

function unreadable(path: string, cause: unknown): PlatformError {
  return new PlatformError(
    "failed_precondition",
    "unreadable_identity",
    `cannot read ${path}; make it readable, or remove it and start with a new join token`,
    { cause },
  );
}

function notSaved(path: string, cause: unknown): PlatformError {
  return new PlatformError(
    "failed_precondition",
    "identity_not_saved",
    `cannot write ${path}: ${String(cause)}`,
    { cause },
  );
}

/** Makes the rename itself durable. */
async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, "r");
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}

/** End of the certificate's life. */
export function expiresAt(identity: Identity): Date {
  return new X509Certificate(identity.certificateChainPem).validToDate;
}

/** SHA-256 of the root certificate's DER, base64url: the form of join tokens. */
export function rootHashOf(identity: Identity): string {
  const { raw } = new X509Certificate(identity.rootPem);
  return createHash("sha256").update(raw).digest("base64url");
}

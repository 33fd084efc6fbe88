import { randomBytes, randomUUID } from "node:crypto";
import { link, open, unlink } from "node:fs/promises";
import { type MasterKey, PlatformError } from "@hodei/domain";
import { decrypt, encrypt, KEY_BYTES } from "./aes-gcm.ts";
import { unreadable } from "./envelope.ts";

/** Permission bits of group and others. */
const GROUP_AND_OTHERS = 0o077;
/** 32 bytes as base64, and a line end; what `openssl rand -base64 32` prints. */
const KEY_TEXT = /^[A-Za-z0-9+/]{43}=\n?$/;
/** More than a key has; a larger file is none. */
const MAX_FILE_BYTES = 1024;

/**
 * The master key in `file`: 32 bytes as base64, for its owner's eyes only.
 *
 * `isInUse`: secrets are stored under some master key already, so a missing file is an error; else it is made, with mode
 * 0600. Several servers may do so at once and get the same one.
 * @throws PlatformError `failed_precondition`: missing, open to other users, no key, or not to be read or written
 */
export async function openMasterKeyFile(file: string, isInUse: boolean): Promise<MasterKey> {
  let key = await readKey(file);
  if (key === undefined) {
    if (isInUse) throw missing(file);
    await createKey(file);
    key = await readKey(file);
  }
  return key === undefined ? unusable(file, "it was removed again") : masterKeyOf(key);
}

/** A master key in memory. */
export function masterKeyOf(key: Uint8Array): MasterKey {
  return {
    wrap: async (dataKey, context) => encrypt(key, dataKey, context),
    unwrap: async (wrapped, context) => decrypt(key, wrapped, context) ?? unreadable(),
  };
}

/** `undefined` if there is no such file. */
async function readKey(file: string): Promise<Uint8Array | undefined> {
  const text = await readPrivateFile(file).catch((error: unknown) => {
    if (error instanceof PlatformError) throw error;
    return isMissing(error) ? undefined : unusable(file, error);
  });
  if (text === undefined) return undefined;
  if (!KEY_TEXT.test(text)) unusable(file, "it holds no key: 32 bytes as base64 in one line");
  return Buffer.from(text, "base64");
}

/** What is checked is what is read: the file may be put in the place of another meanwhile. */
async function readPrivateFile(file: string): Promise<string> {
  const handle = await open(file, "r");
  try {
    const { mode, size } = await handle.stat();
    if ((mode & GROUP_AND_OTHERS) !== 0) throw tooOpen(file, mode);
    return size > MAX_FILE_BYTES ? "" : await handle.readFile("utf8");
  } finally {
    await handle.close();
  }
}

/** Writes aside and links into place, so that no reader sees half a key and the first of several writers wins. */
async function createKey(file: string): Promise<void> {
  const draft = `${file}.${randomUUID()}`;
  try {
    const handle = await open(draft, "wx", 0o600);
    try {
      await handle.writeFile(`${randomBytes(KEY_BYTES).toString("base64")}\n`);
      // What is stored under it must not outlive it in a power cut.
      await handle.sync();
    } finally {
      await handle.close();
    }
    await link(draft, file).catch((error: unknown) => {
      if (!isSystemError(error, "EEXIST")) throw error;
    });
    await unlink(draft);
  } catch (error) {
    unusable(file, error);
  }
}

const isMissing = (error: unknown): boolean => isSystemError(error, "ENOENT");

function isSystemError(error: unknown, code: string): boolean {
  return error instanceof Error && "code" in error && error.code === code;
}

function missing(file: string): PlatformError {
  return new PlatformError(
    "failed_precondition",
    "secret_key_missing",
    `there is no master key in ${file}, and the database has secrets under one; put the file back from a backup, or give its place with HODEI_SERVER_SECRET_KEY_FILE (replicas share one)`,
  );
}

function tooOpen(file: string, mode: number): PlatformError {
  return new PlatformError(
    "failed_precondition",
    "secret_key_permissions_too_open",
    `${file} is open to other users (mode ${(mode & 0o777).toString(8)}); run: chmod 600 '${file}'`,
  );
}

function unusable(file: string, why: unknown): never {
  throw new PlatformError(
    "failed_precondition",
    "secret_key_unusable",
    `cannot use the master key in ${file}: ${why instanceof Error ? why.message : String(why)}`,
    { cause: why },
  );
}

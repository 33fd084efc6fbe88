import { randomBytes } from "node:crypto";
import {
  mkdir,
  mkdtemp,
  open,
  readdir,
  readFile,
  rename,
  rm,
  stat,
  writeFile,
} from "node:fs/promises";
import { dirname, join } from "node:path";
import { PlatformError } from "@hodei/domain";

/** What a certificate authority consists of; PEM. */
export interface AuthorityFiles {
  readonly rootPem: string;
  readonly rootKeyPem: string;
  readonly intermediatePem: string;
  readonly intermediateKeyPem: string;
}

const FILE_NAMES = {
  rootPem: "root.crt",
  rootKeyPem: "root.key",
  intermediatePem: "intermediate.crt",
  intermediateKeyPem: "intermediate.key",
} as const satisfies Record<keyof AuthorityFiles, string>;

const PARTS = Object.keys(FILE_NAMES) as (keyof AuthorityFiles)[];

/** Permission bits of group and others. */
const GROUP_AND_OTHERS = 0o077;
/** Permission to write for group and others. */
const WRITE_FOR_OTHERS = 0o022;

/**
 * The files in `dir`; `undefined` if it does not exist or is empty.
 * @throws PlatformError `failed_precondition` if one is missing, unreadable, or open to other users
 */
export async function findAuthorityFiles(dir: string): Promise<AuthorityFiles | undefined> {
  try {
    if ((await readdir(dir)).length === 0) return undefined;
    await checkMode(dir, WRITE_FOR_OTHERS, "700");
    const texts = await Promise.all(PARTS.map((part) => readPart(dir, part)));
    return Object.fromEntries(PARTS.map((part, index) => [part, texts[index]])) as Record<
      keyof AuthorityFiles,
      string
    >;
  } catch (error) {
    if (error instanceof PlatformError) throw error;
    if (codeOf(error) === "ENOENT" && (await isMissing(dir))) return undefined;
    throw unreadable(error);
  }
}

/**
 * Puts the files into `dir`, all of them or none: they are written beside it and moved there in one step. If another
 * process was faster its files stand, and ours are dropped.
 * @throws PlatformError `failed_precondition` if the place cannot be written, `resource_exhausted` if the disk is full
 */
export async function placeAuthorityFiles(dir: string, files: AuthorityFiles): Promise<void> {
  const parent = dirname(dir);
  let draft: string | undefined;
  try {
    await mkdir(parent, { recursive: true, mode: 0o700 });
    draft = await mkdtemp(`${dir}.new-${randomBytes(4).toString("hex")}-`);
    for (const part of PARTS) {
      const mode = part.endsWith("KeyPem") ? 0o600 : 0o644;
      const path = join(draft, FILE_NAMES[part]);
      await writeFile(path, files[part], { mode, flag: "wx", flush: true });
    }
    await rename(draft, dir);
    await syncFolder(parent);
  } catch (error) {
    if (draft !== undefined) await rm(draft, { recursive: true, force: true });
    const code = codeOf(error);
    if (code === "ENOTEMPTY" || code === "EEXIST") return;
    throw unwritable(dir, error);
  }
}

async function readPart(dir: string, part: keyof AuthorityFiles): Promise<string> {
  const path = join(dir, FILE_NAMES[part]);
  if (part.endsWith("KeyPem")) await checkMode(path, GROUP_AND_OTHERS, "600");
  return readFile(path, "utf8");
}

async function checkMode(path: string, forbidden: number, wanted: string): Promise<void> {
  const { mode } = await stat(path);
  if ((mode & forbidden) === 0) return;
  throw new PlatformError(
    "failed_precondition",
    "ca_permissions_too_open",
    `${path} is open to other users (mode ${(mode & 0o777).toString(8)}); run: chmod ${wanted} '${path}'`,
  );
}

/** Makes the move survive a power cut. */
async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, "r");
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}

async function isMissing(path: string): Promise<boolean> {
  return stat(path).then(
    () => false,
    (error: unknown) => codeOf(error) === "ENOENT",
  );
}

function codeOf(error: unknown): string | undefined {
  return (error as NodeJS.ErrnoException).code;
}

function unreadable(error: unknown): PlatformError {
  const { path, message } = error as NodeJS.ErrnoException;
  const what =
    codeOf(error) === "ENOENT"
      ? `${path} is missing; put it back from a backup, or move the folder away for a new authority (every worker then has to join again)`
      : `cannot read the certificate authority: ${message}; let the user who runs the server own the folder`;
  return new PlatformError("failed_precondition", "ca_unreadable", what, { cause: error });
}

function unwritable(dir: string, error: unknown): PlatformError {
  const full = codeOf(error) === "ENOSPC" || codeOf(error) === "EDQUOT";
  const { message } = error as Error;
  return new PlatformError(
    full ? "resource_exhausted" : "failed_precondition",
    full ? "disk_full" : "ca_not_writable",
    `cannot create the certificate authority in ${dir}: ${message}`,
    { cause: error },
  );
}

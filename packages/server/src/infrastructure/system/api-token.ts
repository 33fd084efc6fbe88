import { createHash, randomBytes, randomUUID } from "node:crypto";
import { link, readFile, unlink, writeFile } from "node:fs/promises";
import { PlatformError } from "@hodei/domain";

/** Shortest token that is taken from a file that somebody else wrote. */
const MIN_TOKEN_LENGTH = 16;

/**
 * The API token in `file`, made with 256 random bits if the file does not exist; several servers may do so at once and
 * get the same one. Only its SHA-256 is returned: the server never needs the token itself.
 * @throws PlatformError `failed_precondition` if the file cannot be read or written, or holds no usable token
 */
export async function openApiToken(file: string): Promise<{ readonly hash: string }> {
  const token = (await readToken(file)) ?? (await createToken(file));
  if (token.length < MIN_TOKEN_LENGTH || /\s/.test(token)) {
    throw new PlatformError(
      "failed_precondition",
      "api_token_unusable",
      `${file} must hold one token of at least ${MIN_TOKEN_LENGTH} characters; remove it to have one made`,
    );
  }
  return { hash: createHash("sha256").update(token).digest("hex") };
}

async function readToken(file: string): Promise<string | undefined> {
  try {
    return (await readFile(file, "utf8")).trim();
  } catch (error) {
    if (isSystemError(error, "ENOENT")) return undefined;
    throw unusable(file, error);
  }
}

/** Writes aside and links into place, so that no reader sees half a token and the first of several writers wins. */
async function createToken(file: string): Promise<string> {
  const draft = `${file}.${randomUUID()}`;
  try {
    await writeFile(draft, `${randomBytes(32).toString("base64url")}\n`, { mode: 0o600 });
    await link(draft, file).catch((error: unknown) => {
      if (!isSystemError(error, "EEXIST")) throw error;
    });
    await unlink(draft);
  } catch (error) {
    throw unusable(file, error);
  }
  return (await readToken(file)) ?? "";
}

function isSystemError(error: unknown, code: string): boolean {
  return error instanceof Error && "code" in error && error.code === code;
}

function unusable(file: string, cause: unknown): PlatformError {
  return new PlatformError(
    "failed_precondition",
    "api_token_unusable",
    `cannot read or write the API token in ${file}: ${cause instanceof Error ? cause.message : String(cause)}`,
    { cause },
  );
}

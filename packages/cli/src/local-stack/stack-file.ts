import { readFile, rename, unlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { STACK_FILE } from "./data-folder.ts";
import type { ProcessIdentity } from "./process-identity.ts";

/** A local stack that is ready, as its server process describes it. */
export interface Stack {
  readonly process: ProcessIdentity;
  readonly endpoint: string;
  /** File with the access token; `null` if the stack asks for none. */
  readonly tokenFile: string | null;
  readonly version: string;
}

/** Publishes `stack`; a reader sees all of it or none. */
export async function writeStackFile(folder: string, stack: Stack): Promise<void> {
  const path = join(folder, STACK_FILE);
  const draft = `${path}.${process.pid}`;
  await writeFile(draft, `${JSON.stringify(stack, undefined, 2)}\n`, { mode: 0o600 });
  await rename(draft, path);
}

/** Withdraws what this process has published. */
export async function removeStackFile(folder: string): Promise<void> {
  const stack = await readStackFile(folder);
  if (stack?.process.pid === process.pid) await unlink(join(folder, STACK_FILE));
}

/** The stack that was published last, which may be gone; `undefined` if there is none or the file makes no sense. */
export async function readStackFile(folder: string): Promise<Stack | undefined> {
  const text = await readFile(join(folder, STACK_FILE), "utf8").catch((error: unknown) => {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return undefined;
    throw error;
  });
  if (text === undefined) return undefined;
  try {
    const stack: unknown = JSON.parse(text);
    return isStack(stack) ? stack : undefined;
  } catch {
    // Left half written by a full disk, or by hand: as good as none.
    return undefined;
  }
}

function isStack(value: unknown): value is Stack {
  const { process, endpoint, tokenFile, version } = (value ?? {}) as Partial<Stack>;
  return (
    Number.isSafeInteger(process?.pid) &&
    Number.isSafeInteger(process?.startTicks) &&
    typeof endpoint === "string" &&
    (typeof tokenFile === "string" || tokenFile === null) &&
    typeof version === "string"
  );
}

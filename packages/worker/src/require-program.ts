import { constants } from "node:fs";
import { access, open, stat } from "node:fs/promises";
import { delimiter, isAbsolute, join, resolve } from "node:path";
import { findShebang } from "./attempt-command.ts";
import { errnoOf } from "./errno.ts";

/** A program that could be executed: it still can while its file stays as it was. */
interface Known {
  readonly path: string;
  readonly mark: string;
}

const KNOWN_MAX = 1_000;
/** By name and `PATH`: nearly all attempts of a worker have the same few. */
const known = new Map<string, Known>();

/**
 * Throws what execvp(3) would (`ENOENT`, `EACCES`) for a program that cannot be executed, or whose script names an
 * interpreter that cannot. For programs that a shell becomes: its own report would look like an exit of theirs.
 */
export async function requireProgram(launch: {
  readonly file: string;
  readonly cwd: string;
  readonly env: Readonly<Record<string, string>>;
}): Promise<void> {
  const { file, cwd, env } = launch;
  if (file.includes("/"))
    return requireInterpreter(await requireExecutable(resolve(cwd, file)), cwd);
  const path = env.PATH ?? "";
  const key = `${file}:${path}`;
  const last = known.get(key);
  if (last !== undefined && (await markOf(last.path)) === last.mark) return;
  const program = await requireInPath(file, cwd, path);
  await requireInterpreter(program, cwd);
  const mark = await markOf(program);
  if (mark === undefined || !path.split(delimiter).every(isAbsolute)) return;
  if (known.size >= KNOWN_MAX) known.clear();
  known.set(key, { path: program, mark });
}

/** Which file stands at `path`, and in which state; `undefined` if there is none. */
async function markOf(path: string): Promise<string | undefined> {
  const found = await stat(path, { bigint: true }).catch(() => undefined);
  return found && `${found.dev} ${found.ino} ${found.mtimeNs} ${found.ctimeNs}`;
}

async function requireInterpreter(program: string, cwd: string): Promise<void> {
  const interpreter = findShebang(await readStart(program));
  if (interpreter) await requireExecutable(resolve(cwd, interpreter));
}

/** As much as the kernel looks at for the `#!` line (BINPRM_BUF_SIZE). Empty for what may be executed and not read. */
async function readStart(path: string): Promise<string> {
  try {
    const file = await open(path);
    try {
      const { buffer, bytesRead } = await file.read({ buffer: Buffer.alloc(256) });
      return buffer.toString("latin1", 0, bytesRead);
    } finally {
      await file.close();
    }
  } catch (error) {
    if (errnoOf(error) === "EACCES") return "";
    throw error;
  }
}

/** Longest string that execve(2) takes: 32 pages (MAX_ARG_STRLEN) with the byte that ends it. */
export const MAX_STRING_BYTES = 131_072;

/** Throws what execve(2) would (`E2BIG`) for an argument or a variable that is too long. */
export function requireFitting(launch: {
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
}): void {
  const variables = Object.entries(launch.env).map(([name, value]) => `${name}=${value}`);
  if ([...launch.args, ...variables].every((text) => Buffer.byteLength(text) < MAX_STRING_BYTES)) {
    return;
  }
  throw Object.assign(new Error("exec E2BIG: an argument or a variable is too long"), {
    code: "E2BIG",
  });
}

/**
 * The first that can be executed counts; one that cannot is remembered, as by execvp(3). A folder that is closed to the
 * worker's user is passed over, as by shells: it says nothing about the program. All are looked at together.
 */
async function requireInPath(name: string, cwd: string, path: string): Promise<string> {
  const folders = path.split(delimiter);
  const found = await Promise.allSettled(
    folders.map((folder) => requireExecutable(resolve(cwd, join(folder, name)))),
  );
  const first = found.find((result) => result.status === "fulfilled");
  if (first !== undefined) return first.value;
  const errors = found.flatMap((result) => (result.status === "rejected" ? [result.reason] : []));
  const refused = errors.find((error) => errnoOf(error) === "EACCES" && error.syscall !== "stat");
  throw refused ?? Object.assign(new Error(`${name} is in no folder`), { code: "ENOENT" });
}

/** Its error's `syscall` is `stat` where no file was seen: there is none, or a folder on the way is closed. */
async function requireExecutable(path: string): Promise<string> {
  const permission = access(path, constants.X_OK).then(
    () => undefined,
    (error: unknown) => error,
  );
  const found = await stat(path);
  const refusal = await permission;
  if (refusal !== undefined) throw refusal;
  if (found.isFile()) return path;
  throw Object.assign(new Error(`${path} is no file`), { code: "EACCES" });
}

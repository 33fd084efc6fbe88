import { constants } from "node:fs";
import { access, stat } from "node:fs/promises";
import { delimiter, join, resolve } from "node:path";
import { findShebang } from "./attempt-command.ts";
import { errnoOf } from "./errno.ts";

/**
 * Throws what execvp(3) would (`ENOENT`, `EACCES`) for a program that cannot be executed, or whose script names an
 * interpreter that cannot. For programs that a shell becomes: its own report would look like an exit of theirs.
 */
export async function requireProgram(launch: {
  readonly file: string;
  readonly cwd: string;
  readonly env: Readonly<Record<string, string>>;
  readonly script: string | undefined;
}): Promise<void> {
  const { file, cwd, env, script } = launch;
  if (file.includes("/")) await requireExecutable(resolve(cwd, file));
  else await requireInPath(file, cwd, env.PATH ?? "");
  const interpreter = findShebang(script ?? "");
  if (interpreter) await requireExecutable(resolve(cwd, interpreter));
}

/** The first that can be executed counts; one that cannot is remembered, as by execvp(3). */
async function requireInPath(name: string, cwd: string, path: string): Promise<void> {
  let denied: unknown;
  let missing: unknown;
  for (const folder of path.split(delimiter)) {
    try {
      await requireExecutable(resolve(cwd, join(folder, name)));
      return;
    } catch (error) {
      if (errnoOf(error) === "EACCES") denied ??= error;
      else missing = error;
    }
  }
  throw denied ?? missing;
}

async function requireExecutable(path: string): Promise<void> {
  await access(path, constants.X_OK);
  if ((await stat(path)).isFile()) return;
  throw Object.assign(new Error(`${path} is no file`), { code: "EACCES" });
}

import { constants, mkdirSync, writeFileSync } from "node:fs";
import { access, chmod, lstat, readdir, rm, rmdir, stat } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import process from "node:process";
import type { ExitReason, InputFile } from "@hodei/domain";
import { AttemptFailure } from "./attempt-failure.ts";
import type { AttemptSpec } from "./attempt-run.ts";
import { type AttemptUser, giveTo, requireReach, runAsUser } from "./attempt-user.ts";
import { errnoOf, isDiskFull } from "./errno.ts";

/** The private folder of one attempt; all paths are absolute. What is ours lies apart from the job's own files. */
export interface AttemptDirectory {
  readonly path: string;
  /** The attempt's private directory as jobs know it: input files and, unless the spec differs, the working directory. */
  readonly workPath: string;
  /** `TMPDIR`. */
  readonly tmpPath: string;
  /** `HOME` of an attempt with one of its own. */
  readonly homePath: string;
  readonly scriptPath: string;
  readonly stdinPath: string;
}

export function attemptDirectory(path: string): AttemptDirectory {
  return {
    path,
    workPath: join(path, "work"),
    tmpPath: join(path, "tmp"),
    homePath: join(path, "home"),
    scriptPath: join(path, "script"),
    stdinPath: join(path, "stdin"),
  };
}

/**
 * Makes the folder (mode 0700) with the spec's input files, script and standard input, for `user` if there is one. On the
 * event loop, as the spool: these are a few small files, and each way to a thread and back takes longer than all of them.
 * @throws AttemptFailure `invalid_spec` for paths that cannot be, `disk_full`, `input_failed`
 */
export async function fillDirectory(
  directory: AttemptDirectory,
  spec: AttemptSpec,
  user: AttemptUser | undefined,
): Promise<void> {
  try {
    mkdirSync(directory.path, { mode: 0o700 });
    mkdirSync(directory.workPath, { mode: 0o700 });
    mkdirSync(directory.tmpPath, { mode: 0o700 });
    const { privateHome, sandbox } = spec.isolation;
    if (privateHome || sandbox) mkdirSync(directory.homePath, { mode: 0o700 });
    if (spec.work.kind === "script") {
      writeFileSync(directory.scriptPath, spec.work.content, { mode: 0o700, flag: "wx" });
    }
    if (spec.stdin.length > 0) {
      writeFileSync(directory.stdinPath, spec.stdin, { mode: 0o600, flag: "wx" });
    }
  } catch (cause) {
    throw writeFailure(`the attempt's directory ${directory.path}`, "internal", cause);
  }
  for (const file of spec.files) writeInput(directory.workPath, file);
  if (user !== undefined) await giveTo(user, directory.path);
}

/** @throws AttemptFailure `input_failed` if it does not exist, is no directory or may not be entered */
export async function resolveWorkingDir(
  workPath: string,
  workingDir: string,
  user: AttemptUser | undefined,
): Promise<string> {
  const path = resolve(workPath, workingDir);
  if (path === workPath) return path;
  try {
    if (!(await stat(path)).isDirectory()) {
      throw new AttemptFailure("input_failed", `The working directory ${path} is no directory.`);
    }
    await access(path, constants.X_OK);
    // Root comes everywhere; what lies in the attempt's own directory is the user's.
    if (user !== undefined && !`${path}/`.startsWith(`${workPath}/`))
      await requireReach(user, path);
    return path;
  } catch (cause) {
    if (cause instanceof AttemptFailure) throw cause;
    throw workingDirFailure(path, cause);
  }
}

/** Removes the folder, also what the job made unremovable by its modes, as package caches do. */
export async function removeDirectory({ path }: Pick<AttemptDirectory, "path">): Promise<void> {
  const { uid, gid } = await lstat(path);
  if (process.getuid?.() === 0 && uid !== 0) {
    // A process that the spec lets live may move folders while they are removed: root must not follow it. It cannot move
    // this one, which lies in a folder of ours, where perhaps only root comes to.
    await chmod(path, 0o700);
    await runAsUser({ uid, gid }, ["/bin/sh", "-c", EMPTY_FOLDER], path);
    await rmdir(path);
    return;
  }
  try {
    await rm(path, { recursive: true, force: true });
  } catch {
    await makeRemovable(path);
    await rm(path, { recursive: true, force: true });
  }
}

/** Leaves the folder itself. What others own in it, as containers leave it, keeps only itself. */
const EMPTY_FOLDER = `chmod -R u+rwX . 2>/dev/null; find . -mindepth 1 -delete`;

function workingDirFailure(path: string, cause: unknown): AttemptFailure {
  const problem = errnoOf(cause) === "ENOENT" ? "does not exist" : "cannot be entered";
  const text = `The working directory ${path} ${problem} on this worker.`;
  return new AttemptFailure("input_failed", text, { cause });
}

function writeInput(workPath: string, file: InputFile): void {
  const parts = file.path.split("/");
  if (file.path.startsWith("/") || parts.includes("..") || parts.at(-1) === "") {
    throw new AttemptFailure(
      "invalid_spec",
      `The input file "${file.path}" must be a relative path that stays inside the attempt's directory.`,
    );
  }
  const path = join(workPath, file.path);
  try {
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
    writeFileSync(path, file.content, { mode: file.executable ? 0o700 : 0o600, flag: "wx" });
  } catch (cause) {
    throw writeFailure(`the input file "${file.path}"`, "input_failed", cause);
  }
}

/** Faults of the path itself, which no other worker would take either: two files of one name, a file below a file. */
const PATH_FAULTS = ["EEXIST", "ENOTDIR", "EISDIR", "ENAMETOOLONG", "EINVAL"];

function writeFailure(what: string, otherwise: ExitReason, cause: unknown): AttemptFailure {
  const text = `Cannot write ${what}: ${cause instanceof Error ? cause.message : String(cause)}.`;
  if (isDiskFull(cause)) return new AttemptFailure("disk_full", text, { cause });
  const isPathFault = otherwise === "input_failed" && PATH_FAULTS.includes(errnoOf(cause));
  return new AttemptFailure(isPathFault ? "invalid_spec" : otherwise, text, { cause });
}

async function makeRemovable(path: string): Promise<void> {
  await chmod(path, 0o700);
  for (const entry of await readdir(path, { withFileTypes: true })) {
    if (entry.isDirectory()) await makeRemovable(join(path, entry.name));
  }
}

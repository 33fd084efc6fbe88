import { type ChildProcess, spawn } from "node:child_process";
import { closeSync, openSync } from "node:fs";
import { stat } from "node:fs/promises";
import { delimiter, isAbsolute, resolve } from "node:path";
import { Writable } from "node:stream";
import { invariant } from "@hodei/domain";
import { type AttemptCommand, findShebang } from "./attempt-command.ts";
import { AttemptFailure } from "./attempt-failure.ts";
import { errnoOf } from "./errno.ts";
import type { OutputPipes, PipePool } from "./pipe-pool.ts";
import { requireProgram } from "./require-program.ts";
import { PRELUDE_FD, withPrelude } from "./secrets/prelude.ts";

/** Everything a process is started with. */
export interface Launch extends AttemptCommand {
  readonly cwd: string;
  readonly env: Readonly<Record<string, string>>;
  /** File that is read from; `undefined`: end of file at once. */
  readonly stdinPath: string | undefined;
  /** Of a script that is executed itself, for the explanation of a failure. */
  readonly script: string | undefined;
  /** Of an attempt with secrets: what its prelude is to read. Zeroed here once that has happened. */
  readonly preludeInput: Uint8Array | undefined;
}

/** One of the two is set. Node reports a real-time signal (34 to 64) as exit code 0: it has no name for it. */
export interface ProcessExit {
  readonly exitCode: number | null;
  readonly signal: NodeJS.Signals | null;
}

/** The first process of an attempt, leader of its own session and group. */
export interface AttemptProcess {
  readonly pid: number;
  /** Never rejects. */
  readonly exited: Promise<ProcessExit>;
  /** Descriptors of its output, to be closed by the caller. */
  readonly stdoutFd: number;
  readonly stderrFd: number;
}

/**
 * Starts the process.
 *
 * Its input is a file, not a pipe: a process that does not read it can neither block nor break the worker (EPIPE), and
 * may open `/dev/stdin` by name. Its output goes to real pipes for the same reason, see `PipePool`.
 * @throws AttemptFailure saying what is missing
 */
export async function startProcess(
  launch: Launch,
  pool: Pick<PipePool, "take">,
): Promise<AttemptProcess> {
  const pipes = await pool.take();
  try {
    if (launch.preludeInput !== undefined) await requireProgram(launch);
    return await spawnProcess(launch, pipes);
  } catch (error) {
    closeSync(pipes.stdout.readFd);
    closeSync(pipes.stderr.readFd);
    throw await explainSpawnError(error, launch);
  }
}

/** Closes the ends of the pipes that are the child's, also when it fails. */
async function spawnProcess(launch: Launch, pipes: OutputPipes): Promise<AttemptProcess> {
  const { preludeInput } = launch;
  const { file, args } = preludeInput === undefined ? launch : withPrelude(launch);
  const extra = preludeInput === undefined ? [] : ["pipe" as const];
  let stdinFd: number | undefined;
  let child: ChildProcess;
  try {
    if (launch.stdinPath !== undefined) stdinFd = openSync(launch.stdinPath, "r");
    child = spawn(file, args, {
      cwd: launch.cwd,
      env: launch.env,
      stdio: [stdinFd ?? "ignore", pipes.stdout.writeFd, pipes.stderr.writeFd, ...extra],
      detached: true,
    });
  } finally {
    closeSync(pipes.stdout.writeFd);
    closeSync(pipes.stderr.writeFd);
    if (stdinFd !== undefined) closeSync(stdinFd);
  }
  const failure = Promise.withResolvers<never>();
  // Of a child that started, `error` says at most that a signal could not be sent; nobody awaits that.
  failure.promise.catch(() => {});
  child.once("error", failure.reject);
  const exited = new Promise<ProcessExit>((resolveExit) => {
    child.once("exit", (exitCode, signal) => resolveExit({ exitCode, signal }));
  });
  if (child.pid === undefined) return await failure.promise;
  if (preludeInput !== undefined) sendToPrelude(child, preludeInput);
  return {
    pid: child.pid,
    exited,
    stdoutFd: pipes.stdout.readFd,
    stderrFd: pipes.stderr.readFd,
  };
}

/** Over a socket that has no name, so nobody else can read along. */
function sendToPrelude(child: ChildProcess, input: Uint8Array): void {
  const socket = child.stdio[PRELUDE_FD];
  invariant(socket instanceof Writable, "the prelude's descriptor was asked for as a pipe");
  // A process that ends before it has read all needs the rest no more.
  socket.on("error", () => {}).once("close", () => input.fill(0));
  socket.end(input, () => socket.destroy());
}

async function explainSpawnError(error: unknown, launch: Launch): Promise<AttemptFailure> {
  const { file } = launch;
  const options = { cause: error };
  switch (errnoOf(error)) {
    case "ENOENT":
    case "ENOTDIR":
      return new AttemptFailure("command_not_found", await explainMissing(launch), options);
    case "EACCES":
      return new AttemptFailure(
        "permission_denied",
        launch.script === undefined
          ? `"${file}" may not be executed by the worker's user.`
          : `The script's interpreter may not be executed, or the worker's state directory is mounted noexec.`,
        options,
      );
    default: {
      const text = error instanceof Error ? error.message : String(error);
      return new AttemptFailure("spawn_failed", `Cannot start "${file}": ${text}.`, options);
    }
  }
}

/** execve(2) says ENOENT for a missing program and for a missing interpreter of a program alike. */
async function explainMissing({ file, cwd, env, script }: Launch): Promise<string> {
  if (script !== undefined) {
    // The quotes make a stray carriage return visible.
    return `The script's interpreter ${JSON.stringify(findShebang(script))} does not exist on this worker.`;
  }
  if (!file.includes("/")) {
    const folders = (env.PATH ?? "").split(delimiter).join(", ");
    return `"${file}" was not found on this worker; looked in ${folders}.`;
  }
  const path = isAbsolute(file) ? file : resolve(cwd, file);
  const exists = await stat(path).then(
    () => true,
    () => false,
  );
  return exists
    ? `"${path}" exists, but the interpreter or loader that it names does not exist on this worker.`
    : `"${path}" does not exist on this worker.`;
}

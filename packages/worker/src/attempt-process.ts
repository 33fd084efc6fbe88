import { stat } from "node:fs/promises";
import { delimiter, isAbsolute, resolve } from "node:path";
import { findShebang } from "./attempt-command.ts";
import { AttemptFailure } from "./attempt-failure.ts";
import type { GroupLimits } from "./control-groups/group-folder.ts";
import { errnoOf } from "./errno.ts";
import { type PreludeCommand, preludeInput, type Variable } from "./processes/prelude.ts";
import { discard, type ShellPool, type WaitingShell } from "./processes/shell-pool.ts";
import { requireFitting, requireProgram } from "./require-program.ts";

/** Everything a process is started with. Its input is a file: it may be opened by name, and left unread. */
export interface Launch extends PreludeCommand {
  /** Of a script that is executed itself, for the explanation of a failure. */
  readonly script: string | undefined;
  readonly limits: GroupLimits;
}

/** The first process of an attempt, leader of its own session and group. */
export type AttemptProcess = Omit<WaitingShell, "become">;

/**
 * Starts the process. What cannot be executed is found before it is tried; the rest ends as in any shell, with code 126 or
 * 127 and its message in the output.
 * @throws AttemptFailure saying what is missing
 */
export async function startProcess(
  launch: Launch,
  secrets: readonly Variable[],
  pool: Pick<ShellPool, "take">,
): Promise<AttemptProcess> {
  try {
    requireFitting(launch);
    await requireProgram(launch);
  } catch (error) {
    throw await explainSpawnError(error, launch);
  }
  const shell = await pool.take();
  try {
    shell.group?.setLimits(launch.limits);
  } catch (cause) {
    await discard(shell);
    throw limitFailure(launch.limits, cause);
  }
  shell.become(preludeInput(launch, secrets));
  return shell;
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
    const folders = (env.PATH ?? "").split(delimiter);
    const closed = await filterClosed(folders);
    const hint = closed.length === 0 ? "" : ` Its user may not look into ${closed.join(", ")}.`;
    return `"${file}" was not found on this worker; looked in ${folders.join(", ")}.${hint}`;
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

/** Those that are there, and closed to the worker's user. */
async function filterClosed(folders: readonly string[]): Promise<string[]> {
  const results = await Promise.allSettled(folders.map((folder) => stat(`${folder}/.`)));
  return folders.filter((_, index) => {
    const result = results[index];
    return result?.status === "rejected" && errnoOf(result.reason) === "EACCES";
  });
}

function limitFailure({ memoryBytes, cpuMillis }: GroupLimits, cause: unknown): AttemptFailure {
  const text = cause instanceof Error ? cause.message : String(cause);
  const limits = `${cpuMillis} thousandths of a core, ${memoryBytes ?? "any"} bytes of memory`;
  return new AttemptFailure("spawn_failed", `The limits (${limits}) cannot be set: ${text}.`, {
    cause,
  });
}

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { type FileHandle, open, rename, stat } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import type { CommandContext, Environment } from "../context.ts";
import { CommandError, describeSystemError } from "../errors.ts";
import { LOG_FILE } from "./data-folder.ts";
import { rootNotice } from "./root-notice.ts";
import { readStackFile } from "./stack-file.ts";

/** How often to look whether the stack is ready. */
const LOOK_INTERVAL_MS = 20;
/** A log longer than this is put aside at the next start, in place of the one put aside before. */
const LOG_MAX_BYTES = 16 * 1024 * 1024;
/** How much of the log is shown when a start fails. */
const LOG_LINES_SHOWN = 10;

/**
 * Starts a stack in the background that keeps its data in `folder`; resolves when it is ready.
 * @throws CommandError if it ends, or is not ready, within `limitMs`
 */
export async function startStack(
  folder: string,
  context: Pick<CommandContext, "env" | "program" | "stderr">,
  limitMs: number,
): Promise<void> {
  const logFile = join(folder, LOG_FILE);
  await context.stderr.write(
    `hodei: starting the local stack (data in ${folder}, log in ${logFile}; stops by itself after 5 idle minutes${rootNotice()})\n`,
  );
  const log = await openLog(logFile);
  try {
    const { size: logStart } = await log.stat();
    const child = spawnStack(folder, context, log);
    const failure = await waitUntilReady(child, folder, limitMs);
    if (failure === undefined) return;
    throw new CommandError(`the local stack ${failure}${await readReason(logFile, logStart)}`, {
      next: `the whole log is in ${logFile}`,
    });
  } finally {
    await log.close();
  }
}

async function openLog(logFile: string): Promise<FileHandle> {
  try {
    const before = await stat(logFile).catch(() => undefined);
    if (before !== undefined && before.size > LOG_MAX_BYTES) await rename(logFile, `${logFile}.1`);
    return await open(logFile, "a", 0o600);
  } catch (error) {
    throw new CommandError(`cannot write to ${logFile}: ${describeSystemError(error)}`, {
      next: "make it writable, or choose another data folder with HODEI_DATA_DIR",
      cause: error,
    });
  }
}

function spawnStack(
  folder: string,
  { env, program }: Pick<CommandContext, "env" | "program">,
  log: FileHandle,
): ChildProcess {
  const [interpreter, ...script] = program;
  const child = spawn(interpreter, [...script, "dev", "--background", "--data-dir", folder], {
    // Its own session, so that neither Ctrl-C nor the end of the terminal reaches it.
    detached: true,
    // Not the caller's folder, which may be removed or unmounted while the stack lives.
    cwd: folder,
    env: stackEnvironment(env),
    stdio: ["ignore", log.fd, log.fd],
  });
  child.unref();
  return child;
}

/**
 * The caller's environment without what concerns the caller: its server and token, and, when the command runs
 * inside a job, the marks by which the processes of that job are found and ended.
 */
function stackEnvironment(env: Environment): Environment {
  return Object.fromEntries(
    Object.entries(env).filter(
      ([name]) => !name.startsWith("HODEI_") || name.startsWith("HODEI_SERVER_"),
    ),
  );
}

/** Resolves when `child` has published itself as the stack of `folder`; else to what became of it. */
async function waitUntilReady(
  child: ChildProcess,
  folder: string,
  limitMs: number,
): Promise<string | undefined> {
  const deadlineMs = performance.now() + limitMs;
  let ended: string | undefined;
  once(child, "exit").then(
    ([code, signal]) => {
      ended = `did not start (${signal === null ? `exit code ${code}` : signal})`;
    },
    (error) => {
      ended = `could not be started: ${describeSystemError(error)}`;
    },
  );
  while (ended === undefined) {
    const stack = await readStackFile(folder);
    if (stack !== undefined && stack.process.pid === child.pid) return undefined;
    if (performance.now() > deadlineMs) {
      child.kill();
      return `was not ready within ${limitMs / 1_000} s`;
    }
    await delay(LOOK_INTERVAL_MS);
  }
  return ended;
}

/** What the log says since `start` about why the start failed: its last error of ours, else its last lines. */
async function readReason(logFile: string, start: number): Promise<string> {
  const log = await open(logFile, "r");
  try {
    const { size } = await log.stat();
    const length = Math.min(size - start, 64 * 1024);
    const { buffer } = await log.read(Buffer.alloc(length), 0, length, size - length);
    const lines = buffer
      .toString()
      .split("\n")
      .filter((line) => line !== "");
    const reason = lines.findLast((line) => line.startsWith("hodei: "));
    if (reason !== undefined) return `: ${reason.slice("hodei: ".length)}`;
    return lines.length === 0 ? "" : `:\n${lines.slice(-LOG_LINES_SHOWN).join("\n")}\n`;
  } finally {
    await log.close();
  }
}

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { ROOT } from "../repository.ts";
import { timeLimit } from "../time-limit.ts";

/** A process that takes longer than this to say that it is ready has failed. */
const READY_LIMIT_MS = 60_000;
/** A process that has not stopped after this is killed. */
const STOP_LIMIT_MS = 30_000;
/** Lines of a log that are kept to explain a failed start; older ones are dropped. */
const LOG_LINES_MAX = 5;

/** A line of a log, one JSON object. */
type LogEntry = Readonly<Record<string, unknown>>;

/** Starts `hodei` apart from the user's settings, with its log in a pipe. Ctrl-C is for this process, which then stops it. */
export function spawnHodei(
  args: readonly string[],
  settings: Readonly<Record<string, string>>,
): ChildProcess {
  const inherited = Object.entries(process.env).filter(([name]) => !name.startsWith("HODEI_"));
  return spawn(process.execPath, [join(ROOT, "packages/cli/bin/hodei.mjs"), ...args], {
    detached: true,
    stdio: ["ignore", "ignore", "pipe"],
    env: { ...Object.fromEntries(inherited), ...settings },
  });
}

/**
 * The first entry of the process's log with `event`. The log is read to its end, so that the process never waits for a
 * reader. @throws Error with the log's last lines if it ends, or does not get there
 */
export async function waitForEvent(
  child: ChildProcess,
  event: string,
  signal: AbortSignal,
): Promise<LogEntry> {
  if (child.stderr === null) throw new Error("the process was started with its log in a pipe");
  const limit = timeLimit(signal, READY_LIMIT_MS);
  const log: string[] = [];
  const lines = createInterface({ input: child.stderr });
  return new Promise<LogEntry>((resolve, reject) => {
    const fail = (what: string) => reject(new Error(`${what}:\n${log.join("\n")}`));
    limit.addEventListener("abort", () => fail("the process did not get ready"), { once: true });
    child.once("error", reject);
    lines.once("close", () => fail("the process has ended"));
    lines.on("line", (line) => {
      if (log.push(line) > LOG_LINES_MAX) log.shift();
      const entry = parseEntry(line);
      if (entry.event === event) resolve(entry);
    });
  });
}

function parseEntry(line: string): LogEntry {
  try {
    return JSON.parse(line);
  } catch {
    return {}; // A line that is not of the program's own log.
  }
}

/** Ends a process, by force after 30 s; nothing happens if it has ended. */
export async function endProcess(
  child: ChildProcess,
  signal: "SIGTERM" | "SIGKILL",
): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null || child.pid === undefined) return;
  const exited = once(child, "exit");
  child.kill(signal);
  const kill = setTimeout(() => child.kill("SIGKILL"), STOP_LIMIT_MS);
  await exited;
  clearTimeout(kill);
}

/** Memory of a process that is in RAM, in bytes. Source: proc_pid_status(5). */
export async function readRssBytes(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, "utf8");
  const [, kibibytes] = /^VmRSS:\s+(\d+) kB$/m.exec(status) ?? [];
  if (kibibytes === undefined) throw new Error(`process ${pid} has no memory`);
  return Number(kibibytes) * 1_024;
}

import { type ChildProcess, spawn } from "node:child_process";
import { open, readFile } from "node:fs/promises";
import { join } from "node:path";
import type { EventLine } from "./event-lines.ts";
import { type ProcessEnd, type Summary, summarize } from "./summarize.ts";

/** How long a file that is stopped may take to end what it started, before it is killed for good. */
const STOP_GRACE_MS = 3_000;
const REPORTER = join(import.meta.dirname, "event-lines.ts");

export interface FileRun {
  /** The checkout. */
  readonly root: string;
  /** The file, from `root`. */
  readonly path: string;
  readonly timeoutMs: number;
  /** Path without extension for what the process prints and reports; no other run may use it. */
  readonly scratch: string;
  /** Stops the file when it aborts. */
  readonly signal: AbortSignal;
}

export interface FileResult extends Summary {
  readonly path: string;
  readonly durationMs: number;
  /** Everything the process printed. */
  readonly output: string;
}

/**
 * Runs one test file in a process of its own. A crash, a hang and a file without tests are failures.
 *
 * The process leads a group, so that a file that hangs is killed with what it started. What it prints
 * goes to a file: a child that outlives it and keeps a pipe open cannot keep this function waiting.
 */
export async function runFile(run: FileRun): Promise<FileResult> {
  const outputPath = `${run.scratch}.output`;
  const eventsPath = `${run.scratch}.events`;
  const startedAt = performance.now();
  const end = await runProcess(run, outputPath, eventsPath);
  const durationMs = performance.now() - startedAt;
  const lines = parseLines(await readFile(eventsPath, "utf8"));
  const output = await readFile(outputPath, "utf8");
  return { path: run.path, durationMs, output, ...summarize(lines, end) };
}

async function runProcess(
  run: FileRun,
  outputPath: string,
  eventsPath: string,
): Promise<ProcessEnd> {
  const output = await open(outputPath, "w");
  const events = await open(eventsPath, "w");
  await events.close();
  const reporters = [
    "--test-reporter=spec",
    "--test-reporter-destination=stdout",
    `--test-reporter=${REPORTER}`,
    `--test-reporter-destination=${eventsPath}`,
  ];
  const child = spawn(process.execPath, ["--conditions=@hodei/source", ...reporters, run.path], {
    cwd: run.root,
    env: testEnvironment(),
    detached: true,
    stdio: ["ignore", output.fd, output.fd],
  });
  const timeout = AbortSignal.timeout(run.timeoutMs);
  const stops = [timeout, run.signal];
  let killTimer: NodeJS.Timeout | undefined;
  const onStop = () => {
    clearTimeout(killTimer);
    signalGroup(child, "SIGTERM");
    killTimer = setTimeout(() => signalGroup(child, "SIGKILL"), STOP_GRACE_MS);
  };
  for (const stop of stops) stop.addEventListener("abort", onStop, { once: true });
  try {
    return await new Promise((resolve, reject) => {
      child.once("error", reject);
      child.once("exit", (exitCode, signal) => {
        if (timeout.aborted) resolve({ kind: "timed_out", timeoutMs: run.timeoutMs });
        else if (signal !== null) resolve({ kind: "signalled", signal });
        else resolve({ kind: "exited", exitCode: exitCode ?? 1 });
      });
    });
  } finally {
    for (const stop of stops) stop.removeEventListener("abort", onStop);
    if (!signalGroup(child, 0)) clearTimeout(killTimer);
    await output.close();
  }
}

/** False when no process of the child's group is left to signal. */
function signalGroup(child: ChildProcess, signal: NodeJS.Signals | 0): boolean {
  if (child.pid === undefined) return false;
  try {
    return process.kill(-child.pid, signal);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ESRCH") return false;
    throw error;
  }
}

/** The machine's environment without a developer's Hodei settings, which must not change what is tested. */
function testEnvironment(): NodeJS.ProcessEnv {
  // NODE_TEST_CONTEXT would make a file report to the `node --test` around us, if there is one.
  const isForeign = (name: string) => name.startsWith("HODEI_") || name === "NODE_TEST_CONTEXT";
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !isForeign(name)));
}

function parseLines(text: string): EventLine[] {
  // A process that was killed may leave half a line at the end.
  const complete = text.slice(0, text.lastIndexOf("\n") + 1);
  const lines = complete.split("\n").filter((line) => line !== "");
  return lines.map((line): EventLine => JSON.parse(line));
}

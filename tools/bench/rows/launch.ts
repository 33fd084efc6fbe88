import { spawn } from "node:child_process";
import { closeSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { monitorEventLoopDelay } from "node:perf_hooks";
import { text } from "node:stream/consumers";
import { setTimeout as delay } from "node:timers/promises";
import { ControlGroups, PipePool, preludeInput, ShellPool } from "@hodei/worker";
import type { Round } from "../result.ts";
import type { Row } from "../row.ts";
import { percentile } from "../statistics.ts";

/** The first thing that the process does is to write what the clock says: seconds with six decimals (bash ≥ 5). */
const COMMAND = { file: "bash", args: ["-c", 'echo "$EPOCHREALTIME"'] };
const ROUND_COUNT = 3;
const SAMPLE_COUNT = 40;
/** Of the first round: until the hot code is compiled. */
const WARM_UP_COUNT = 30;
/** Between two launches: a shell has taken the place of the one that was used. */
const PAUSE_MS = 40;
const LARGE_MIB = 400;
const MIB = 1024 * 1024;
/** What the monitor adds of its own: its resolution. */
const RESOLUTION_MS = 1;

/** What it costs the worker to start a process, and how long it can do nothing else meanwhile. */
export const launch: Row = {
  name: "launch",
  about: "process started by the worker's waiting shells, in control groups; against bare spawn",
  figures: [
    { name: "launch-small-p50", unit: "ms", target: { kind: "added_at_most", limit: 1 } },
    { name: "launch-small-loop-p99", unit: "ms", target: { kind: "added_at_most", limit: 10 } },
    { name: "launch-400-mib-p50", unit: "ms", target: { kind: "added_at_most", limit: 1 } },
    { name: "launch-400-mib-loop-p99", unit: "ms", target: { kind: "added_at_most", limit: 10 } },
  ],
  measure,
};

type Start = () => Promise<number>;

async function measure(signal: AbortSignal): Promise<readonly (readonly Round[])[]> {
  const folder = await mkdtemp(join(tmpdir(), "hodei-bench-launch-"));
  const log = { warn: () => {} };
  const groups = await ControlGroups.open({ log });
  const pipes = new PipePool(join(folder, "pipes"));
  await pipes.start();
  const pool = new ShellPool({ log, pipes, groups, user: undefined });
  pool.start();
  try {
    const small = await compare(() => startWaiting(pool), signal);
    const ballast = Array.from({ length: LARGE_MIB }, (_, index) => Buffer.alloc(MIB, index + 1));
    const large = await compare(() => startWaiting(pool), signal);
    if (ballast.length !== LARGE_MIB) throw new Error("the memory was not held");
    return [...small, ...large];
  } finally {
    await pool.stop();
    groups.close();
    await rm(folder, { recursive: true });
  }
}

/** Rounds of the start, and of the event loop's delay. */
async function compare(subject: Start, signal: AbortSignal): Promise<readonly Round[][]> {
  for (let count = 0; count < WARM_UP_COUNT; count += 1) {
    await subject();
    await startBare();
  }
  const starts: Round[] = [];
  const delays: Round[] = [];
  for (let round = 0; round < ROUND_COUNT; round += 1) {
    const baseline = await sample(startBare, signal);
    const value = await sample(subject, signal);
    starts.push({ value: value.startMs, baseline: baseline.startMs });
    delays.push({ value: value.delayMs, baseline: baseline.delayMs });
  }
  return [starts, delays];
}

async function sample(one: Start, signal: AbortSignal) {
  const samples: number[] = [];
  const monitor = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
  monitor.enable();
  while (samples.length < SAMPLE_COUNT) {
    samples.push(await one());
    await delay(PAUSE_MS, undefined, { signal });
  }
  monitor.disable();
  const delayMs = Math.max(0, monitor.percentile(99) / 1e6 - RESOLUTION_MS);
  return { startMs: percentile(samples, 0.5), delayMs };
}

const environment = (): Record<string, string> => ({ PATH: process.env.PATH ?? "/usr/bin:/bin" });

async function startWaiting(pool: ShellPool): Promise<number> {
  const calledAtMs = wallClockMs();
  const shell = await pool.take();
  shell.become(
    preludeInput(
      {
        ...COMMAND,
        cwd: "/",
        env: environment(),
        stdinPath: undefined,
        openFiles: 1024,
        wrapper: [],
      },
      [],
    ),
  );
  closeSync(shell.stderrFd);
  const output = await text(new Socket({ fd: shell.stdoutFd, readable: true, writable: false }));
  await shell.exited;
  shell.group?.remove();
  return toStartMs(output) - calledAtMs;
}

/** The same command without Hodei. */
async function startBare(): Promise<number> {
  const calledAtMs = wallClockMs();
  const stdio = ["ignore", "pipe", "inherit"] as const;
  const child = spawn(COMMAND.file, COMMAND.args, {
    stdio: [...stdio],
    env: environment(),
    detached: true,
  });
  return toStartMs(await text(child.stdout ?? new Socket())) - calledAtMs;
}

/** Some locales write a comma. */
const toStartMs = (output: string): number => Number(output.replace(",", ".")) * 1_000;

/** What `Date.now` says, but with microseconds. */
const wallClockMs = (): number => performance.timeOrigin + performance.now();

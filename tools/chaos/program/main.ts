// What chaos jobs run: writes bytes that are known beforehand, and notes outside of Hodei how far it got.
//
// Imports nothing but Node.js and its neighbours: a worker starts it as it would start any program.

import { openSync, writeSync } from "node:fs";
import { join } from "node:path";
import { type SecretValue, secretLines, streamOfLine } from "./encodings.ts";
import { Output, type Writing } from "./output.ts";
import { COMPLETE, intent, progressName, wrote } from "./progress.ts";

/** How the bytes of a `Writing` are written. */
export interface Task {
  readonly writing: Writing;
  /** Longest single write. */
  readonly writeBytes: number;
  /** Longest pause between two writes; 0: as fast as the reader takes it. */
  readonly pauseMs: number;
  /** Names of the variables with the secrets to be printed. */
  readonly secretNames: readonly string[];
  readonly exitCode: number;
}

const FDS = { stdout: 1, stderr: 2 } as const;
const BUSY_PAUSE_MS = 5;

const task = JSON.parse(process.argv[2] ?? "") as Task;
const totals = { stdout: 0, stderr: 0 };
const progress = openProgress();
let state = (task.writing.seed ^ 0x5bd1e995) | 1;

if (task.writing.content === "secrets") writeSecrets();
else writeOutput();
writeSync(progress, COMPLETE);
process.exitCode = task.exitCode;

function writeOutput(): void {
  const outputs = {
    stdout: new Output(task.writing, "stdout"),
    stderr: new Output(task.writing, "stderr"),
  };
  for (;;) {
    const open = (["stdout", "stderr"] as const).filter(
      (name) => totals[name] < outputs[name].lengthBytes,
    );
    const stream = open[draw(open.length)];
    if (stream === undefined) return;
    const bytes = outputs[stream].slice(totals[stream], totals[stream] + 1 + draw(task.writeBytes));
    write(stream, bytes);
    pause(draw(task.pauseMs + 1));
  }
}

/** Each line is cut in two at a random byte, in the middle of secrets for the most part. */
function writeSecrets(): void {
  const secrets = task.secretNames.map(
    (name): SecretValue => ({ name, value: process.env[name] ?? "" }),
  );
  for (const [index, { printed }] of secretLines(secrets).entries()) {
    const stream = streamOfLine(index);
    const bytes = Buffer.from(printed);
    const cut = draw(bytes.length);
    write(stream, bytes.subarray(0, cut));
    pause(draw(task.pauseMs + 1));
    write(stream, bytes.subarray(cut));
  }
}

function write(stream: "stdout" | "stderr", bytes: Buffer): void {
  const end = { ...totals, [stream]: totals[stream] + bytes.length };
  writeSync(progress, intent(end.stdout, end.stderr));
  for (let at = 0; at < bytes.length; ) at += writeSome(FDS[stream], bytes.subarray(at));
  totals[stream] = end[stream];
  writeSync(progress, wrote(totals.stdout, totals.stderr));
}

/** A pipe may be one that does not block. */
function writeSome(fd: number, bytes: Buffer): number {
  try {
    return writeSync(fd, bytes);
  } catch (error) {
    if (!(error instanceof Error && "code" in error && error.code === "EAGAIN")) throw error;
    pause(BUSY_PAUSE_MS);
    return 0;
  }
}

function pause(ms: number): void {
  if (ms > 0) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
}

/** A whole number below `bound`, of the task's own sequence. */
function draw(bound: number): number {
  state ^= state << 13;
  state ^= state >>> 17;
  state ^= state << 5;
  return bound <= 1 ? 0 : (state >>> 0) % bound;
}

function openProgress(): number {
  const { CHAOS_PROGRESS = "", HODEI_JOB_ID = "", HODEI_ATTEMPT = "" } = process.env;
  return openSync(
    join(CHAOS_PROGRESS, progressName(HODEI_JOB_ID, Number(HODEI_ATTEMPT), process.pid)),
    "a",
  );
}

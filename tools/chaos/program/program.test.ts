import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { promisify } from "node:util";
import fc from "fast-check";
import { readProgress } from "../history/read-progress.ts";
import { secretLines, streamOfLine } from "./encodings.ts";
import type { Task } from "./main.ts";
import { type Content, numbersBytes, Output } from "./output.ts";
import { parseProgress } from "./progress.ts";

const WRITING = { content: "lines", seed: 3, stdoutBytes: 20_000, stderrBytes: 7_000 } as const;

test("a piece of an output is the same whatever was asked for before it", () => {
  const contents: Content[] = ["lines", "blob", "binary", "empty-lines", "numbers"];
  const range = fc.tuple(fc.nat(20_000), fc.nat(20_000));
  fc.assert(
    fc.property(
      fc.constantFrom(...contents),
      fc.array(range, { maxLength: 5 }),
      (content, ranges) => {
        const whole = new Output({ ...WRITING, content }, "stdout").slice(0, 20_000);
        const output = new Output({ ...WRITING, content }, "stdout");
        assert.equal(whole.length, 20_000);
        for (const [a, b] of ranges) {
          const [from, to] = [Math.min(a, b), Math.max(a, b)];
          assert.deepEqual(output.slice(from, to), whole.subarray(from, to));
        }
      },
    ),
    { numRuns: 30 },
  );
});

test("the bytes of numbers are those of seq", () => {
  const text = Array.from({ length: 1_234 }, (_, index) => `${index + 1}\n`).join("");
  const stdoutBytes = numbersBytes(1_234);
  assert.equal(stdoutBytes, text.length);
  const output = new Output({ content: "numbers", seed: 1, stdoutBytes, stderrBytes: 0 }, "stdout");
  assert.equal(output.slice(0, stdoutBytes).toString(), text);
});

test("the program writes what the output says, and notes how far it got", async (context) => {
  const { stdout, stderr, code, progress } = await runProgram(context, {
    writing: WRITING,
    exitCode: 7,
  });
  assert.equal(code, 7);
  assert.deepEqual(stdout, new Output(WRITING, "stdout").slice(0, 20_000));
  assert.deepEqual(stderr, new Output(WRITING, "stderr").slice(0, 7_000));
  const totals = { stdout: 20_000, stderr: 7_000 };
  assert.deepEqual(progress, [
    { jobId: "job", attempt: 2, intended: totals, written: totals, isComplete: true },
  ]);
});

test("the program prints the secrets that it was given in every form", async (context) => {
  const value = `a'b"c\nsecond line`;
  const task = { writing: { ...WRITING, content: "secrets" as const }, secretNames: ["QUOTES"] };
  const { stdout, stderr } = await runProgram(context, task, { QUOTES: value });
  const lines = secretLines([{ name: "QUOTES", value }]);
  const of = (stream: string) =>
    lines.filter((_, index) => streamOfLine(index) === stream).map(({ printed }) => printed);
  assert.equal(stdout.toString(), of("stdout").join(""));
  assert.equal(stderr.toString(), of("stderr").join(""));
});

test("notes that end in the middle tell what was complete", () => {
  const { intended, written, isComplete } = parseProgress(
    "job.1.77",
    "i 10 0\nw 10 0\ni 30 5\nw 3",
  );
  assert.deepEqual(
    { intended, written, isComplete },
    {
      intended: { stdout: 30, stderr: 5 },
      written: { stdout: 10, stderr: 0 },
      isComplete: false,
    },
  );
});

async function runProgram(
  context: { after: (end: () => Promise<void>) => void },
  changes: Partial<Task>,
  env: Readonly<Record<string, string>> = {},
) {
  const folder = await mkdtemp(join(tmpdir(), "hodei-chaos-program-"));
  context.after(() => rm(folder, { recursive: true }));
  const task = {
    writing: WRITING,
    writeBytes: 999,
    pauseMs: 0,
    secretNames: [],
    exitCode: 0,
    ...changes,
  };
  const args = [join(import.meta.dirname, "main.ts"), JSON.stringify(task)];
  const ours = { CHAOS_PROGRESS: folder, HODEI_JOB_ID: "job", HODEI_ATTEMPT: "2" };
  const options = { env: { ...process.env, ...ours, ...env }, encoding: "buffer" as const };
  const running = promisify(execFile)(process.execPath, args, options).then(
    (output) => ({ ...output, code: 0 }),
    (error: { stdout: Buffer; stderr: Buffer; code: number }) => error,
  );
  const { stdout, stderr, code } = await running;
  return { stdout, stderr, code, progress: await readProgress(folder) };
}

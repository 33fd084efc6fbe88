import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { ExitReason, type JobSpec, JobState, PlacementPolicy } from "@hodei/proto/hodei/v1/job";
import { temporaryFolder } from "@hodei/testkit";
import { runCli } from "../run-cli.ts";
import { fakeContext } from "../testing/fake-context.ts";
import {
  type Act,
  cancelled,
  exited,
  FakeHodei,
  JOB_ID,
  running,
  succeeded,
} from "../testing/fake-hodei.ts";

type ContextOptions = Parameters<typeof fakeContext>[1];

async function run(args: readonly string[], act: Act = {}, options: ContextOptions = {}) {
  const hodei = new FakeHodei(act);
  const context = fakeContext(hodei.client, options);
  await runCli(["run", ...args], context);
  return { hodei, context, request: hodei.created[0] };
}

/** The spec that `args` create. */
async function specOf(args: readonly string[], options: ContextOptions = {}): Promise<JobSpec> {
  const { request, context } = await run(["--detach", ...args], {}, options);
  assert.ok(request?.spec, context.stderr.text);
  return request.spec;
}

function folderWith(files: Readonly<Record<string, string | Uint8Array>>): string {
  const folder = temporaryFolder();
  for (const [name, content] of Object.entries(files)) writeFileSync(join(folder, name), content);
  return folder;
}

test("output, error output and exit code are the job's", async () => {
  const all = Uint8Array.from({ length: 256 }, (_, byte) => byte);
  const { context } = await run(["--", "x"], {
    output: [
      ["out", all],
      ["err", "oops\n"],
      ["out", "end"],
    ],
    changes: [running, exited(7)],
  });
  assert.deepEqual(context.stdout.bytes, Buffer.concat([all, Buffer.from("end")]));
  assert.equal(context.stderr.text, "oops\n");
  assert.equal(context.exitCode, 7);
});

test("an end that the exit code does not tell is told on standard error", async () => {
  const { context } = await run(["--", "x"], {
    changes: [
      {
        state: JobState.TIMED_OUT,
        outcome: { reason: ExitReason.RUN_TIMEOUT, message: "ran longer than 2s" },
      },
    ],
  });
  assert.equal(context.exitCode, 124);
  assert.equal(
    context.stderr.text,
    `hodei: job ${JOB_ID} timed_out (run_timeout): ran longer than 2s\n`,
  );
});

test("that the job gave up its place is told, and is no failure", async () => {
  const { context } = await run(["--", "x"], {
    changes: [
      { state: JobState.RUNNING, attempt: 1 },
      { state: JobState.PENDING, attempt: 1, preemptionCount: 1 },
      { state: JobState.RUNNING, attempt: 2, preemptionCount: 1 },
      { ...succeeded, attempt: 2, preemptionCount: 1 },
    ],
  });
  assert.equal(context.exitCode, 0);
  assert.equal(
    context.stderr.text,
    "hodei: attempt 1 gave up its place to a job of higher priority; it runs again when there is room\n",
  );
});

test("a retry is told", async () => {
  const { context } = await run(["--", "x"], {
    changes: [
      { state: JobState.RUNNING, attempt: 1 },
      { state: JobState.PENDING, attempt: 1 },
      { state: JobState.RUNNING, attempt: 2 },
      { ...succeeded, attempt: 2 },
    ],
  });
  assert.match(context.stderr.text, /^hodei: attempt 1 failed; it is tried again\n$/);
  assert.equal(context.exitCode, 0);
});

test("the first interrupt cancels and waits for the end", async () => {
  const hodei = new FakeHodei({
    changes: [running, cancelled],
    waitsForCancel: true,
    output: [["out", "ready\n"]],
  });
  const context = fakeContext(hodei.client);
  const { stdout } = context;
  const write = stdout.write.bind(stdout);
  stdout.write = async (data) => {
    await write(data);
    context.interrupt();
  };
  await runCli(["run", "--", "x"], context);
  assert.equal(hodei.cancels, 1);
  assert.equal(context.exitCode, 130);
  assert.match(context.stderr.text, /cancelling job .*\n.*cancelled \(cancelled_by\)/);
});

test("the second interrupt leaves the job alone and says how to follow it", async () => {
  const hodei = new FakeHodei({ changes: [running, succeeded], waitsForCancel: true });
  hodei.client.jobs.cancelJob = () => new Promise(() => {});
  const context = fakeContext(hodei.client);
  const started = Promise.withResolvers<void>();
  const { tailLogs } = hodei.client.logs;
  hodei.client.logs.tailLogs = (...args) => {
    started.resolve();
    return tailLogs(...args);
  };
  const ended = runCli(["run", "--", "x"], context);
  await started.promise;
  context.interrupt();
  context.interrupt();
  await ended;
  assert.equal(context.exitCode, 130);
  assert.match(context.stderr.text, new RegExp(`left job .* hodei jobs wait ${JOB_ID}`));
});

test("a job whose output nobody reads any more is cancelled, quietly", async () => {
  const hodei = new FakeHodei({
    changes: [running, cancelled],
    waitsForCancel: true,
    output: [
      ["out", "1\n"],
      ["out", "2\n"],
    ],
  });
  const context = fakeContext(hodei.client);
  context.stdout.limitBytes = 2;
  await runCli(["run", "--", "yes"], context);
  assert.equal(hodei.cancels, 1);
  assert.equal(context.exitCode, 141);
  assert.equal(context.stderr.text, "");
});

test("a platform that fails is 125", async () => {
  const hodei = new FakeHodei();
  const context = fakeContext(hodei.client);
  context.connect = async () => {
    throw Object.assign(new Error("connect ECONNREFUSED"), {
      name: "HodeiError",
      code: "unavailable",
      reason: "unreachable",
      next: "check the address",
    });
  };
  await runCli(["run", "--output", "json", "--", "x"], context);
  assert.equal(context.exitCode, 125);
  assert.deepEqual(JSON.parse(context.stderr.text), {
    error: {
      code: "unavailable",
      reason: "unreachable",
      message: "connect ECONNREFUSED",
      next: "check the address",
    },
  });
});

test("--detach prints the id, or the job as data", async () => {
  const plain = await run(["--detach", "--", "x"]);
  assert.equal(plain.context.stdout.text, `${JOB_ID}\n`);
  const json = await run(["--detach", "-o", "json", "--", "x"]);
  const { id, state, attempt } = JSON.parse(json.context.stdout.text);
  assert.deepEqual({ id, state, attempt }, { id: JOB_ID, state: "JOB_STATE_PENDING", attempt: 0 });
  const yaml = await run(["--detach", "-o", "yaml", "--", "x"]);
  assert.match(yaml.context.stdout.text, new RegExp(`^id: ${JOB_ID}$`, "m"));
});

test("words after `--` are a program and its arguments, exactly", async () => {
  const argv = ["a b", "", "$HOME", "q\"u'o", "new\nline", "ü", "--name", "--", "-x"];
  const spec = await specOf(["--", ...argv]);
  assert.deepEqual(spec.work, {
    case: "command",
    value: { $typeName: "hodei.v1.Command", argv },
  });
});

test("words without `--` are a script, sent as it is, and its arguments", async () => {
  const cwd = folderWith({ "build.sh": "#!/bin/sh\necho ü\r\n" });
  const spec = await specOf(["--interpreter", "sh", "build.sh", "--fast", "--", "x"], { cwd });
  assert.equal(spec.name, "build.sh");
  assert.ok(spec.work.case === "script");
  const { content, args, interpreter } = spec.work.value;
  assert.deepEqual(
    { content, args, interpreter },
    { content: "#!/bin/sh\necho ü\r\n", args: ["--fast", "--", "x"], interpreter: "sh" },
  );
});

test("every flag reaches the spec", async () => {
  const cwd = folderWith({ "a.env": "A=1\nB=2\n", in: "input" });
  // biome-ignore format: flags and their values read better in rows
  const spec = await specOf([
    "--name", "n", "--env-file", "a.env", "-e", "B=3", "--env", "HOST", "--workdir", "/w", "--stdin", "in",
    "--timeout", "1m30s", "--queue-timeout", "500ms", "--grace", "0", "--retries", "2", "--label", "a=b",
    "--label", "c=", "--priority", "-5", "--cpu", "0.5", "--memory", "512MiB", "--idempotency-key", "k",
    "--constraint", "zone=a", "--prefer", "5:ssd", "--tolerate", "spot", "--policy", "bin_pack", "--gpu", "a100=2",
    "--deadline", "2026-01-31T08:00:00Z", "--", "x",
  ], { cwd, env: { HOST: "h" } });
  assert.equal(spec.name, "n");
  assert.deepEqual(spec.env, { A: "1", B: "3", HOST: "h" });
  assert.equal(spec.workingDir, "/w");
  assert.equal(Buffer.from(spec.stdin).toString(), "input");
  assert.deepEqual(
    [spec.timeouts?.run, spec.timeouts?.queue, spec.timeouts?.grace].map((duration) => [
      duration?.seconds,
      duration?.nanos,
    ]),
    [
      [90n, 0],
      [0n, 500_000_000],
      [0n, 0],
    ],
  );
  assert.equal(spec.retryPolicy?.maxAttempts, 3);
  assert.deepEqual(spec.labels, { a: "b", c: "" });
  assert.equal(spec.priority, -5);
  assert.equal(spec.resources?.cpuMillis, 500);
  assert.equal(spec.resources?.memoryBytes, 536_870_912n);
  assert.deepEqual([spec.resources?.gpuModel, spec.resources?.gpuCount], ["a100", 2]);
  assert.deepEqual(
    spec.constraints.map(({ label, values }) => [label, ...values]),
    [["zone", "a"]],
  );
  assert.deepEqual(
    spec.preferences.map(({ constraint, weight }) => [constraint?.label, weight]),
    [["ssd", 5]],
  );
  assert.deepEqual(
    spec.tolerations.map(({ key, value }) => [key, value]),
    [["spot", ""]],
  );
  assert.equal(spec.placementPolicy, PlacementPolicy.BIN_PACK);
  assert.equal(spec.deadline?.seconds, BigInt(Date.parse("2026-01-31T08:00:00Z") / 1_000));
});

test("--stdin - is our standard input", async () => {
  const spec = await specOf(["--stdin", "-", "--", "x"], { stdin: "piped" });
  assert.equal(Buffer.from(spec.stdin).toString(), "piped");
});

test("on the local stack a job starts where the user is", async () => {
  const local = { isLocal: true, cwd: "/home/me" };
  assert.equal((await specOf(["--", "x"], local)).workingDir, "/home/me");
  assert.equal((await specOf(["--workdir", "sub", "--", "x"], local)).workingDir, "/home/me/sub");
  assert.equal((await specOf(["--", "x"], { cwd: "/home/me" })).workingDir, "");
});

const WRONG: readonly (readonly [args: string[], exitCode: number, message: RegExp])[] = [
  [[], 2, /nothing to run; give a program after `--`/],
  [["--"], 2, /no program after `--`/],
  [["--interpreter", "sh", "--", "x"], 2, /--interpreter is for scripts/],
  [["missing.sh"], 125, /no script file "missing.sh"; .*hodei run -- missing.sh/],
  [["binary"], 125, /holds NUL bytes/],
  [["latin1"], 125, /latin1 is not text in UTF-8/],
  [["empty"], 125, /empty is empty/],
  [["--stdin", "big", "--", "x"], 125, /big is longer than 1048576 bytes/],
  [["--stdin", "missing", "--", "x"], 125, /cannot read missing: no such file or directory/],
  [["--env-file", "bad.env", "--", "x"], 2, /bad.env:2: "oops" is not of the form NAME=VALUE/],
  [["--env", "UNSET", "--", "x"], 125, /no variable UNSET/],
  [["--timeout", "5", "--", "x"], 2, /--timeout <duration>: "5" is not a duration such as/],
  [["--timeout", "-5s", "--", "x"], 2, /--timeout <duration>: "-5s" is not a duration/],
  [["--memory", "lots", "--", "x"], 2, /--memory <size>: "lots" is not a size/],
  [["--retries", "-1", "--", "x"], 2, /whole number from 0 to 99/],
  [["--priority", "101", "--", "x"], 2, /whole number from -100 to 100/],
  [["--label", "a", "--", "x"], 2, /NAME=VALUE/],
  [["--name", "--", "x"], 2, /--name <name>: the value is missing/],
  [
    ["--tiemout", "5s", "--", "x"],
    2,
    /unknown option '--tiemout' \(did you mean --timeout\?\); see: hodei run --help/,
  ],
  [["--output", "xml", "--", "x"], 2, /--output <format>: Allowed choices are text, json, yaml/],
];

test("what is wrong is said, with what to do next", async () => {
  const cwd = folderWith({
    binary: "\u0000ELF",
    latin1: Uint8Array.from([0x66, 0xfc, 0x72]),
    empty: "",
    big: Buffer.alloc(1024 * 1024 + 1),
    "bad.env": "A=1\noops\n",
  });
  for (const [args, exitCode, message] of WRONG) {
    const { context, hodei } = await run(args, {}, { cwd });
    assert.match(context.stderr.text, message);
    assert.match(context.stderr.text, /^hodei: /);
    assert.equal(context.exitCode, exitCode, args.join(" "));
    assert.equal(hodei.created.length, 0);
  }
});

test("--help shows the flags and the exit codes", async () => {
  const { context } = await run(["--help"]);
  assert.match(context.stdout.text, /Usage: hodei run \[options\] -- <program>/);
  assert.match(context.stdout.text, /--queue-timeout <duration>/);
  assert.match(context.stdout.text, /124 for the run time-out/);
  assert.equal(context.exitCode, 0);
});

test("output that cannot be written: the job goes on, and the command says so", async () => {
  const hodei = new FakeHodei({ output: [["out", "x"]] });
  const context = fakeContext(hodei.client);
  context.stdout.write = () =>
    Promise.reject(
      Object.assign(new Error("ENOSPC: no space left on device, write"), {
        code: "ENOSPC",
        syscall: "write",
      }),
    );
  await runCli(["run", "--", "x"], context);
  assert.equal(context.exitCode, 125);
  assert.equal(
    context.stderr.text,
    `hodei: job ${JOB_ID} goes on; follow it with: hodei logs -f ${JOB_ID}\nhodei: no space left on device (write)\n`,
  );
});

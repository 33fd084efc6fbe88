import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, readdirSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import process, { execPath } from "node:process";
import { after, before, describe, test } from "node:test";
import { outcomeOf } from "@hodei/domain";
import { temporaryFolder, waitFor } from "@hodei/testkit";
import { AttemptFixture, specOf } from "../test/attempt-fixture.ts";

let fixture: AttemptFixture;
before(async () => {
  const { PATH, HOME } = process.env;
  fixture = await AttemptFixture.create({ PATH, HOME, SECRET_OF_WORKER: "x", NODE_OPTIONS: "" });
});
after(() => fixture.remove());

const script = (content: string, interpreter = "", args: string[] = []) =>
  ({ kind: "script", content, interpreter, args, withoutSafetyPreamble: false }) as const;

describe("ends", () => {
  test("exit code 0 is completed, any other is told", async () => {
    const ok = await fixture.run(specOf(["true"]));
    assert.deepEqual(ok.outcome, { reason: "completed", exitCode: 0, signal: null, message: "" });
    const failed = await fixture.run(specOf(["bash", "-c", "echo out; echo err >&2; exit 7"]));
    assert.equal(failed.outcome.reason, "non_zero_exit");
    assert.equal(failed.outcome.exitCode, 7);
    assert.equal(failed.stdout.toString(), "out\n");
    assert.equal(failed.stderr.toString(), "err\n");
  });

  test("a signal is told by its name", async () => {
    const { outcome } = await fixture.run(specOf(["bash", "-c", "kill -SEGV $$"]));
    assert.equal(outcome.reason, "signal");
    assert.equal(outcome.signal, "SIGSEGV");
    assert.equal(outcome.exitCode, null);
  });

  test("the run time-out ends the whole group", async () => {
    const startedAt = performance.now();
    const { outcome, processesLeft } = await fixture.run(
      specOf("sleep 60 & sleep 61 & wait", { runMs: 300 }),
    );
    assert.equal(outcome.reason, "run_timeout");
    assert.equal(processesLeft, 0);
    assert.ok(performance.now() - startedAt < 3_000);
  });

  test("cancel lets a process end in its own way within the grace", async () => {
    const started = fixture.start(
      specOf(`trap 'echo bye; exit 3' TERM; echo ready; while true; do sleep 0.05; done`),
    );
    await waitFor(() => started.text().includes("ready"));
    started.run.terminate(outcomeOf("cancelled_by", "The job was cancelled."));
    const { outcome, stdout } = await started.finished;
    assert.equal(outcome.reason, "cancelled_by");
    assert.equal(outcome.exitCode, 3);
    assert.equal(stdout.toString(), "ready\nbye\n");
  });

  test("who ignores SIGTERM gets SIGKILL after the grace, children too", async () => {
    const started = fixture.start(
      specOf(`trap '' TERM; sleep 60 & echo ready; wait; while true; do sleep 1; done`, {
        graceMs: 200,
      }),
    );
    await waitFor(() => started.text().includes("ready"));
    started.run.terminate(outcomeOf("cancelled_by", "The job was cancelled."));
    const { outcome, processesLeft } = await started.finished;
    assert.equal(outcome.reason, "cancelled_by");
    assert.equal(outcome.signal, "SIGKILL");
    assert.equal(processesLeft, 0);
  });

  test("children have the rest of the grace when their parent has ended", async () => {
    const child = `trap 'sleep 0.2; echo cleaned; exit' TERM; echo ready; while true; do sleep 0.05; done`;
    const started = fixture.start(specOf(["bash", "-c", `bash -c "${child}" & sleep 60`]));
    await waitFor(() => started.text().includes("ready"));
    started.run.terminate(outcomeOf("cancelled_by", "The job was cancelled."));
    const { stdout } = await started.finished;
    assert.equal(stdout.toString(), "ready\ncleaned\n");
  });

  test("what a finished command leaves running is ended, and does not hold its end up", async () => {
    const startedAt = performance.now();
    const { outcome, stdout, processesLeft } = await fixture.run(
      specOf("sleep 60 & echo $!; exit 0"),
    );
    assert.equal(outcome.reason, "completed");
    assert.equal(processesLeft, 0);
    assert.ok(performance.now() - startedAt < 1_500);
    assert.equal(existsSync(`/proc/${stdout.toString().trim()}/exe`), false);
  });

  test("cancelled before its process has started, it never starts", async () => {
    const started = fixture.start(specOf(["touch", join(fixture.root, "started")]));
    started.run.terminate(outcomeOf("cancelled_by", "The job was cancelled."));
    const { outcome } = await started.finished;
    assert.equal(outcome.reason, "cancelled_by");
    assert.equal(existsSync(join(fixture.root, "started")), false);
  });

  test("killed, it ends without grace", async () => {
    const started = fixture.start(specOf("trap '' TERM; echo ready; sleep 60; sleep 60"));
    await waitFor(() => started.text().includes("ready"));
    started.run.kill();
    const { outcome } = await started.finished;
    assert.equal(outcome.signal, "SIGKILL");
  });

  test("the private directory is removed, also when the job made it read-only", async () => {
    await fixture.run(specOf("mkdir -p cache/mod; touch cache/mod/x; chmod -R a-w cache"));
    await waitFor(() => readdirSync(fixture.attemptsPath).length === 0);
  });
});

describe("work", () => {
  test("arguments arrive as they are", async () => {
    const args = ["", " a  b ", "it's", '"q"', "$HOME `id` \\", "line\nbreak", "ñ €😀", "*", "-n"];
    const print =
      'for (const a of process.argv.slice(1)) process.stdout.write(JSON.stringify(a) + "\\0")';
    const { stdout } = await fixture.run(specOf([execPath, "-e", print, "--", ...args]));
    const got = stdout.toString().split("\0").slice(0, -1);
    assert.deepEqual(
      got.map((text) => JSON.parse(text)),
      args,
    );
  });

  test("a script without #! runs in bash and ends at the first failure", async () => {
    const failing = await fixture.run(specOf("echo one\nfalse\necho two\n"));
    assert.equal(failing.outcome.exitCode, 1);
    assert.equal(failing.stdout.toString(), "one\n");
    const pipe = await fixture.run(specOf("false | cat\necho two\n"));
    assert.equal(pipe.outcome.exitCode, 1);
    const unset = await fixture.run(specOf("echo $NOT_SET\n"));
    assert.match(unset.stderr.toString(), /script: line 1: NOT_SET: unbound variable/);
  });

  test("the safety preamble can be left out", async () => {
    const work = { ...script("false\necho two\n"), withoutSafetyPreamble: true };
    const { outcome, stdout } = await fixture.run(specOf(work));
    assert.equal(outcome.reason, "completed");
    assert.equal(stdout.toString(), "two\n");
  });

  test("a script's own #! line rules", skipWithout("python3", "perl"), async () => {
    const python = await fixture.run(
      specOf(
        script("#!/usr/bin/env python3\nimport sys\nprint(sys.argv[1:])\n", "perl", ["a b", ""]),
      ),
    );
    assert.equal(python.stdout.toString(), "['a b', '']\n");
    const perl = await fixture.run(
      specOf(script('#!/usr/bin/perl -w\nprint "perl $ARGV[0]\\n";', "", ["x"])),
    );
    assert.equal(perl.stdout.toString(), "perl x\n");
  });

  test("an interpreter runs a script without #!", skipWithout("python3"), async () => {
    const python = await fixture.run(specOf(script("print(6 * 7)", "python3")));
    assert.equal(python.stdout.toString(), "42\n");
    const node = await fixture.run(
      specOf(script("console.log(process.argv[2])", execPath, ["arg"])),
    );
    assert.equal(node.stdout.toString(), "arg\n");
    const sh = await fixture.run(specOf(script("false; echo on", "sh")));
    assert.equal(sh.stdout.toString(), "on\n");
  });

  test("standard input is given, then ends; programs may open it by name", async () => {
    const stdin = Buffer.from(Array.from({ length: 256 }, (_, byte) => byte));
    const cat = await fixture.run(specOf(["cat"], { stdin }));
    assert.deepEqual(cat.stdout, stdin);
    const named = await fixture.run(specOf(["cat", "/dev/stdin"], { stdin }));
    assert.deepEqual(named.stdout, stdin);
    const none = await fixture.run(specOf(["cat"]));
    assert.equal(none.outcome.reason, "completed");
    const unread = await fixture.run(specOf(["true"], { stdin: new Uint8Array(1024 * 1024) }));
    assert.equal(unread.outcome.reason, "completed");
  });

  test("output may be opened by name", async () => {
    const { stdout, stderr } = await fixture.run(
      specOf("echo a > /dev/stderr; echo b | tee /dev/stderr > /dev/stdout"),
    );
    assert.equal(stdout.toString(), "b\n");
    assert.equal(stderr.toString(), "a\nb\n");
  });

  test("all bytes and 100,000 lines come out whole", async () => {
    const bytes = "for (let i = 0; i < 256; i++) process.stdout.write(Buffer.of(i))";
    const binary = await fixture.run(specOf([execPath, "-e", bytes]));
    assert.deepEqual(
      [...binary.stdout],
      Array.from({ length: 256 }, (_, byte) => byte),
    );
    const lines = await fixture.run(specOf(["seq", "1", "100000"]));
    const expected = Array.from({ length: 100_000 }, (_, i) => `${i + 1}\n`).join("");
    assert.equal(sha256(lines.stdout), sha256(expected));
  });
});

describe("surroundings", () => {
  test("the environment is clean", async () => {
    const { stdout } = await fixture.run(
      specOf(["env", "-0"], { env: { GREETING: "hello\nworld", LANG: "C.UTF-8" } }),
    );
    const variables = Object.fromEntries(
      stdout
        .toString()
        .split("\0")
        .slice(0, -1)
        .map((pair) => [pair.split("=")[0], pair]),
    );
    assert.equal(variables.GREETING, "GREETING=hello\nworld");
    assert.equal(variables.HODEI_ATTEMPT, "HODEI_ATTEMPT=1");
    const names = [
      "GREETING",
      "HODEI_ATTEMPT",
      "HODEI_ATTEMPT_DIR",
      "HODEI_JOB_ID",
      "HOME",
      "LANG",
      "PATH",
      "PWD",
      "TMPDIR",
    ];
    assert.deepEqual(Object.keys(variables).sort(), names);
  });

  test("the working directory is private, empty and the attempt's own", async () => {
    const { stdout } = await fixture.run(
      specOf("pwd; ls -A | wc -l; stat -c %a ..; test -w $TMPDIR"),
    );
    const [cwd, count, mode] = stdout.toString().split("\n");
    assert.match(
      cwd ?? "",
      new RegExp(`^${fixture.attemptsPath}/[0-9a-f-]{36}-1-[0-9a-f]{16}/work$`),
    );
    assert.equal(count?.trim(), "0");
    assert.equal(mode, "700");
  });

  test("a working directory of the spec must exist", async () => {
    const there = await fixture.run(specOf(["pwd"], { workingDir: "/usr" }));
    assert.equal(there.stdout.toString(), "/usr\n");
    const missing = await fixture.run(specOf(["pwd"], { workingDir: "/no/such" }));
    assert.equal(missing.outcome.reason, "input_failed");
    assert.match(missing.outcome.message, /working directory \/no\/such does not exist/);
  });

  test("input files are written, executable if asked", async () => {
    const files = [
      { path: "bin/tool", content: Buffer.from("#!/bin/sh\ncat data.txt\n"), executable: true },
      { path: "data.txt", content: Buffer.from("data"), executable: false },
    ];
    const { stdout } = await fixture.run(specOf(["bin/tool"], { files }));
    assert.equal(stdout.toString(), "data");
  });

  test("input files cannot leave the directory, nor be in each other's way", async () => {
    const file = (path: string) => ({ path, content: Buffer.from("x"), executable: false });
    for (const path of ["../x", "a/../../x", "/tmp/x", "dir/"]) {
      const { outcome } = await fixture.run(specOf(["true"], { files: [file(path)] }));
      assert.equal(outcome.reason, "invalid_spec", path);
    }
    for (const files of [
      [file("a"), file("a")],
      [file("a"), file("a/b")],
    ]) {
      const { outcome } = await fixture.run(specOf(["true"], { files }));
      assert.equal(outcome.reason, "invalid_spec");
    }
  });
});

describe("failures to start", () => {
  test("a missing program, script interpreter or loader is told apart", async () => {
    const missing = await fixture.run(
      specOf(["no-such-program"], { env: { PATH: "/usr/bin:/bin" } }),
    );
    assert.equal(missing.outcome.reason, "command_not_found");
    assert.match(missing.outcome.message, /"no-such-program" was not found .* \/usr\/bin, \/bin/);
    const path = await fixture.run(specOf(["/no/such/program"]));
    assert.match(path.outcome.message, /"\/no\/such\/program" does not exist/);
    const shebang = await fixture.run(specOf("#!/bin/bash\r\necho hi\r\n"));
    assert.equal(shebang.outcome.reason, "command_not_found");
    assert.match(shebang.outcome.message, /interpreter "\/bin\/bash\\r" does not exist/);
    const tool = { path: "tool", content: Buffer.from("#!/no/sh\n"), executable: true };
    const loader = await fixture.run(specOf(["./tool"], { files: [tool] }));
    assert.match(loader.outcome.message, /tool" exists, but the interpreter/);
  });

  // Nothing is closed to root.
  test("folders of PATH that are closed to the worker's user are passed over, and named", async () => {
    const closed = join(temporaryFolder(), "closed");
    await mkdir(closed, { mode: 0o600 });
    const env = { PATH: `${closed}:/usr/bin:/bin` };
    const missing = await fixture.run(specOf(["no-such-program"], { env }));
    assert.equal(missing.outcome.reason, "command_not_found");
    const hint = `Its user may not look into ${closed}.`;
    assert.equal(missing.outcome.message.endsWith(hint), process.getuid?.() !== 0);
    const { outcome } = await fixture.run(specOf(["true"], { env }));
    assert.equal(outcome.reason, "completed");
  });

  test("a file that may not be executed", async () => {
    const file = { path: "tool", content: Buffer.from("#!/bin/sh\n"), executable: false };
    const { outcome } = await fixture.run(specOf(["./tool"], { files: [file] }));
    assert.equal(outcome.reason, "permission_denied");
  });

  test("too long arguments", async () => {
    const { outcome } = await fixture.run(specOf(["true", "x".repeat(140_000)]));
    assert.equal(outcome.reason, "spawn_failed");
    assert.match(outcome.message, /E2BIG/);
  });

  test("work that a worker cannot do", async () => {
    for (const work of [
      { kind: "unsupported", what: "a container" },
      script("echo", "lua"),
      { kind: "command", argv: [] },
    ] as const) {
      const { outcome } = await fixture.run(specOf(work));
      assert.equal(outcome.reason, "invalid_spec");
    }
  });
});

function skipWithout(...programs: string[]): { skip: string | false } {
  const missing = programs.find((name) => spawnSync(name, ["--version"]).status !== 0);
  return { skip: missing !== undefined && `install ${missing} to run this test` };
}

const sha256 = (data: string | Buffer): string => createHash("sha256").update(data).digest("hex");

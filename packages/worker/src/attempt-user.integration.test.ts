import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { existsSync, readdirSync } from "node:fs";
import { chmod, mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { after, before, describe, suite, test } from "node:test";
import { outcomeOf } from "@hodei/domain";
import { waitFor } from "@hodei/testkit";
import { pino } from "pino";
import { AttemptFixture, specOf } from "../test/attempt-fixture.ts";
import { isAlive } from "../test/is-alive.ts";
import { WorkerFixture } from "../test/worker-fixture.ts";
import { findAttemptUser } from "./attempt-user.ts";
import { holdStateDirectory } from "./state-directory.ts";

const isRoot = process.getuid?.() === 0;
const needsRoot = { skip: !isRoot && "run as root to run attempts as another user" };
const MIB = 1024 * 1024;

suite("attempts as another user", needsRoot, () => {
  let fixture: AttemptFixture;
  before(async () => {
    const { PATH } = process.env;
    fixture = await AttemptFixture.create({ PATH, HOME: "/root" }, { runAs: "nobody" });
  });
  after(() => fixture.remove());

  test("have its numbers, no other group, and its variables", async () => {
    const script = `id -un; id -G; echo "$HOME $USER $LOGNAME"; cat /etc/shadow || echo closed`;
    const { outcome, stdout } = await fixture.run(specOf(script));
    assert.equal(outcome.reason, "completed");
    assert.equal(stdout.toString(), "nobody\n65534\n/nonexistent nobody nobody\nclosed\n");
  });

  test("own what was made for them, and may open their streams by name", async () => {
    const spec = specOf(
      `cat; ./tool; stat -c '%U %a' . "$TMPDIR" "$HOME" "$0" deep/data; touch here "$TMPDIR/there" "$HOME/too"; echo err > /dev/stderr`,
      {
        stdin: Buffer.from("input\n"),
        isolation: { privateHome: true, sandbox: false },
        files: [
          { path: "tool", content: Buffer.from("#!/bin/sh\necho tool\n"), executable: true },
          { path: "deep/data", content: Buffer.from("x"), executable: false },
        ],
      },
    );
    const { stdout, stderr } = await fixture.run(spec);
    assert.equal(stderr.toString(), "err\n");
    const folders = "nobody 700\n".repeat(4);
    assert.equal(stdout.toString(), `input\ntool\n${folders}nobody 600\n`);
  });

  test("get their secrets, which they cannot replace for others", async () => {
    const value = () => Buffer.from("hush-hush-hush");
    const spec = specOf(
      `[ "$PLAIN" = "$(cat "$HODEI_SECRETS_DIR/SEALED")" ] && echo same; mv "$HODEI_SECRETS_DIR" "$HODEI_SECRETS_DIR.old" || echo kept; touch "$HODEI_SECRETS_DIR/x" || echo closed`,
      {
        secrets: [
          { name: "PLAIN", form: "env", value: value() },
          { name: "SEALED", form: "file", value: value() },
        ],
      },
    );
    const { stdout, stderr } = await fixture.run(spec);
    assert.equal(stdout.toString(), "same\nkept\nclosed\n", stderr.toString());
  });

  test("end with all they started, within their limits", async () => {
    const started = fixture.start(
      specOf(`trap '' TERM; setsid sleep 1000 & echo $!; ulimit -Sn; echo ready; wait`, {
        graceMs: 100,
      }),
    );
    await waitFor(() => started.text().includes("ready"));
    const [pid = 0, openFiles] = started.text().split("\n").map(Number);
    assert.ok(isAlive(pid));
    assert.equal(openFiles, 1024);
    started.run.terminate(outcomeOf("cancelled_by", "The job was cancelled."));
    const { outcome, processesLeft, usage } = await started.finished;
    assert.equal(outcome.reason, "cancelled_by");
    assert.equal(processesLeft, 0);
    assert.ok(!isAlive(pid));
    if (usage === null) return; // No control groups here, so no limit of memory either.
    const hog = await fixture.run(
      specOf("head -c 200M /dev/zero | tail -c 200M > /dev/null", { memoryBytes: 64 * MIB }),
    );
    assert.equal(hog.outcome.reason, "oom_killed");
  });

  test("are told of a working directory that they may not enter", async () => {
    const closed = await mkdtemp(join(tmpdir(), "hodei-closed-"));
    const { outcome } = await fixture.run(specOf(["true"], { workingDir: closed }));
    await rm(closed, { recursive: true });
    assert.equal(outcome.reason, "input_failed");
    assert.match(outcome.message, /hodei-closed-.* cannot be entered/);
  });

  test("leave nothing behind, whatever they did to their folders", async () => {
    await fixture.run(specOf(`mkdir -p a/b; ln -s /etc link; chmod 000 a/b a .`));
    await waitFor(() => readdirSync(fixture.attemptsPath).length === 0);
    assert.ok(existsSync("/etc/passwd"));
  });
});

describe("a worker of root", needsRoot, () => {
  test("runs jobs as the user that it was told", async () => {
    const fixture = await WorkerFixture.create(process.env);
    try {
      await fixture.startWorker({ runAs: "65534", allowRoot: false });
      await waitFor(() => fixture.server.session?.heartbeatCount);
      const work = { case: "script", value: { content: "id -un" } } as const;
      const attempt = fixture.server.assign({ work });
      await waitFor(() => attempt.results[0]);
      assert.equal(attempt.stdout.toString(), "nobody\n");
    } finally {
      await fixture.close();
    }
  });

  test("removes what it can of what attempts left, whoever owns the rest", async () => {
    const stateDir = await mkdtemp(join(tmpdir(), "hodei-leftovers-"));
    const names = Array.from({ length: 20 }, (_, index) => `attempt-${index}`);
    const stuck = ["attempt-0", "attempt-9", "attempt-19"];
    try {
      for (const name of names)
        await mkdir(join(stateDir, "attempts", name, "work/ours"), { recursive: true });
      await chmod(join(stateDir, "attempts", "attempt-1"), 0o000);
      spawnSync("chown", ["-R", "65534", join(stateDir, "attempts")]);
      // As a container that the job started leaves it.
      for (const name of stuck)
        await mkdir(join(stateDir, "attempts", name, "work/root/deep"), { recursive: true });
      // Without the user that they ran as: he does not come to the folder any more.
      const lock = await holdStateDirectory({ log: pino({ level: "silent" }) }, stateDir);
      const left = () => readdirSync(join(stateDir, "attempts")).toSorted();
      await waitFor(() => left().length === stuck.length);
      assert.deepEqual(left(), stuck.toSorted());
      await waitFor(() =>
        stuck.every((name) => !existsSync(join(stateDir, "attempts", name, "work/ours"))),
      );
      await lock.release();
    } finally {
      await rm(stateDir, { recursive: true });
    }
  });

  test("says so when that user does not come to its folder", async () => {
    const fixture = await WorkerFixture.create(process.env);
    const closed = await mkdtemp(join(tmpdir(), "hodei-closed-"));
    try {
      const stateDir = join(closed, "state");
      await mkdir(stateDir);
      await assert.rejects(fixture.startWorker({ runAs: "nobody", stateDir }), {
        reason: "state_dir_unusable",
        message: /nobody.* does not come into .*--state-dir/,
      });
    } finally {
      await fixture.close();
      await rm(closed, { recursive: true });
    }
  });

  test("refuses to run jobs as root, unless that is allowed", async () => {
    for (const runAs of [undefined, "root"]) {
      await assert.rejects(findAttemptUser({ runAs, allowRoot: false }), {
        reason: "root_refused",
        message: /--run-as.*--allow-root/,
      });
      assert.equal(await findAttemptUser({ runAs, allowRoot: true }), undefined);
    }
  });
});

test("a worker of another user than root runs attempts as that user only", async () => {
  const own = String(process.getuid?.());
  assert.equal(await findAttemptUser({ runAs: own, allowRoot: isRoot }), undefined);
  if (isRoot) return;
  await assert.rejects(findAttemptUser({ runAs: "root", allowRoot: true }), {
    reason: "run_as_needs_root",
  });
});

test("a user that nobody knows is named", async () => {
  await assert.rejects(findAttemptUser({ runAs: "no-such-user", allowRoot: false }), {
    reason: "user_not_found",
    message: /no-such-user/,
  });
});

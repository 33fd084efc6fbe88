import assert from "node:assert/strict";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { chmod, mkdtemp, rm } from "node:fs/promises";
import { join } from "node:path";
import process from "node:process";
import { after, before, suite, test } from "node:test";
import { outcomeOf } from "@hodei/domain";
import { waitFor } from "@hodei/testkit";
import { AttemptFixture, specOf } from "../../test/attempt-fixture.ts";
import { isAlive } from "../../test/is-alive.ts";
import { findSandbox } from "./sandbox.ts";

const { PATH, HOME } = process.env;
const found = await findSandbox(PATH, undefined);
const skip =
  found.kind === "missing" && `install bubblewrap, on a kernel that lets it work: ${found.why}`;
const inSandbox = { isolation: { privateHome: false, sandbox: true } };

for (const runAs of process.getuid?.() === 0 ? [undefined, "nobody"] : [undefined]) {
  suite(`in a sandbox as ${runAs ?? "the worker's user"}`, { skip }, () => {
    let fixture: AttemptFixture;
    before(async () => {
      fixture = await AttemptFixture.create({ PATH, HOME }, runAs === undefined ? {} : { runAs });
    });
    after(() => fixture.remove());

    test("the system is read only, /tmp and HOME are one's own", async () => {
      const script = `
        for path in /etc /usr /var/tmp /dev/shm/../../etc; do
          touch "$path/hodei-test" 2>/dev/null && echo "wrote to $path"
        done
        touch here "$TMPDIR/there" "$HOME/home" /tmp/mine && echo wrote
        ls /tmp; [[ $HOME == "$HODEI_ATTEMPT_DIR"/* ]] && echo home; echo err > /dev/stderr`;
      const { outcome, stdout, stderr } = await fixture.run(specOf(`set +e\n${script}`, inSandbox));
      assert.equal(outcome.reason, "completed", stderr.toString());
      assert.match(stdout.toString(), /^wrote\n(.*\n)*mine\n(.*\n)*home\n$/);
      assert.doesNotMatch(stdout.toString(), /wrote to/);
      assert.equal(stderr.toString(), "err\n");
    });

    test("neither other processes nor the worker's files are in sight, and nobody has rights", async () => {
      writeFileSync(join(fixture.root, "key"), "secret");
      const script = `ls /proc | grep -c '^[0-9]*$'; ls "${fixture.root}"; grep CapEff /proc/self/status; id -u`;
      const { stdout } = await fixture.run(specOf(script, inSandbox));
      const [count, ...rest] = stdout.toString().split("\n");
      assert.ok(Number(count) < 8, `${count} processes`);
      const uid = runAs === undefined ? process.getuid?.() : 65_534;
      assert.deepEqual(rest, ["attempts", "CapEff:\t0000000000000000", String(uid), ""]);
    });

    test("secrets come as variables and as files", async () => {
      const value = () => Buffer.from("hush-hush-hush");
      const script = `[ "$PLAIN" = "$(cat "$HODEI_SECRETS_DIR/SEALED")" ] && echo same`;
      const { stdout, stderr } = await fixture.run(
        specOf(script, {
          ...inSandbox,
          secrets: [
            { name: "PLAIN", form: "env", value: value() },
            { name: "SEALED", form: "file", value: value() },
          ],
        }),
      );
      assert.equal(stdout.toString(), "same\n", stderr.toString());
    });

    test("exit codes come through, commands and odd variables too", async () => {
      const { outcome } = await fixture.run(specOf("exit 7", inSandbox));
      assert.equal(outcome.exitCode, 7);
      const { stdout } = await fixture.run(
        specOf(["printf", "[%s]", "a b", ""], { ...inSandbox, env: { IFS: "x" } }),
      );
      assert.equal(stdout.toString(), "[a b][]");
      const missing = await fixture.run(specOf(["/no/such/program"], inSandbox));
      assert.equal(missing.outcome.reason, "command_not_found");
    });

    test("neither a cancel nor an end leaves a process", async () => {
      // Numbers of processes are not ours to know in there, so they are told by how long they sleep.
      const seconds = `1${process.pid}`;
      const script = `trap '' TERM; setsid sleep ${seconds} & env -i sleep ${seconds} & echo ready; wait`;
      const started = fixture.start(specOf(script, { ...inSandbox, graceMs: 200 }));
      await waitFor(() => started.text().includes("ready"));
      started.run.terminate(outcomeOf("cancelled_by", "The job was cancelled."));
      const { outcome, processesLeft } = await started.finished;
      assert.equal(outcome.reason, "cancelled_by");
      assert.equal(processesLeft, 0);
      const ended = await fixture.run(
        specOf(`setsid sleep ${seconds} >/dev/null 2>&1 & echo done`, inSandbox),
      );
      assert.equal(ended.processesLeft, 0);
      assert.deepEqual(
        commandLines().filter((line) => line.includes(seconds)),
        [],
      );
    });

    test("a folder below /tmp can be worked in, to be read", async () => {
      const folder = await mkdtemp("/tmp/hodei-sandbox-test-");
      try {
        writeFileSync(join(folder, "seen"), "x");
        await chmod(folder, 0o755);
        const spec = specOf("pwd; ls; touch new || echo closed", {
          ...inSandbox,
          workingDir: folder,
        });
        const { stdout } = await fixture.run(spec);
        assert.equal(stdout.toString(), `${folder}\nseen\nclosed\n`);
      } finally {
        await rm(folder, { recursive: true });
      }
    });

    test("nothing is left of the directories", async () => {
      await waitFor(() => readdirSync(fixture.attemptsPath).length === 0);
    });
  });
}

test("a worker without bubblewrap says what is missing, and starts nothing", async () => {
  assert.deepEqual(await findSandbox("/nowhere", undefined), {
    kind: "missing",
    why: "bwrap was not found",
  });
  const fixture = await AttemptFixture.create({ PATH, HOME }, { sandbox: "/nowhere" });
  try {
    const { outcome, stdout } = await fixture.run(specOf("echo ran", inSandbox));
    assert.equal(outcome.reason, "spawn_failed");
    assert.match(outcome.message, /no sandbox: bwrap was not found.*bubblewrap.*hodei\/sandbox/);
    assert.equal(stdout.toString(), "");
  } finally {
    await fixture.remove();
  }
});

/** Of all processes of this machine. */
function commandLines(): string[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .filter((pid) => isAlive(Number(pid)))
    .map((pid) => {
      try {
        return readFileSync(`/proc/${pid}/cmdline`, "latin1");
      } catch {
        return ""; // It has just ended.
      }
    });
}

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync, writeFileSync } from "node:fs";
import { after, before, describe, test } from "node:test";
import { outcomeOf } from "@hodei/domain";
import { waitFor } from "@hodei/testkit";
import { pino } from "pino";
import { AttemptFixture, specOf } from "../../test/attempt-fixture.ts";
import { Freezer } from "../../test/freezer.ts";
import { isAlive } from "../../test/is-alive.ts";
import { ControlGroups } from "./control-groups.ts";

const MIB = 1024 * 1024;
const cancelled = outcomeOf("cancelled_by", "The job was cancelled.");

let fixture: AttemptFixture;
before(async () => {
  const { PATH, HOME } = process.env;
  fixture = await AttemptFixture.create({ PATH, HOME });
});
after(() => fixture.remove());

const log = pino({ level: "silent" });
const probe = await ControlGroups.open({ log });
const needsGroups = {
  skip: !probe.isUsable && "run as root, or in a delegated group, to run this test",
};
probe.close();

/** Fills `mib` of memory and holds it. */
const hog = (mib: number): string =>
  `head -c ${mib}M /dev/zero | tail -c ${mib}M > /dev/null && echo held`;

describe("an attempt in a control group", needsGroups, () => {
  test("that starts processes without end meets its limit; the worker and others do not", async () => {
    const bomb = fixture.start(
      specOf(`bomb() { bomb | bomb & }; trap '' TERM; echo ready; bomb; sleep 1000`, {
        graceMs: 300,
      }),
    );
    await waitFor(() => bomb.text().includes("fork: "), { timeoutMs: 20_000 });
    const other = await fixture.run(specOf("echo alive"));
    assert.equal(other.stdout.toString(), "alive\n");
    const cancelledAt = performance.now();
    bomb.run.terminate(cancelled);
    const { outcome, processesLeft } = await bomb.finished;
    assert.equal(outcome.reason, "cancelled_by");
    assert.equal(processesLeft, 0);
    assert.ok(performance.now() - cancelledAt < 300 + 2_000 + 1_000);
  });

  test("that needs more memory than it asked for is ended alone, and told so", async () => {
    const other = fixture.start(specOf("echo ready; sleep 1000"));
    await waitFor(() => other.text().includes("ready"));
    const { outcome } = await fixture.run(specOf(hog(200), { memoryBytes: 64 * MIB }));
    assert.equal(outcome.reason, "oom_killed");
    assert.match(outcome.message, /limit of 67108864 bytes/);
    const within = await fixture.run(specOf(hog(20), { memoryBytes: 64 * MIB }));
    assert.equal(within.outcome.reason, "completed", within.stderr.toString());
    other.run.kill();
    assert.equal((await other.finished).outcome.reason, "worker_lost");
  });

  test("has its usage measured, children and those that left included", async () => {
    const busy = `i=0; while [ $i -lt 200000 ]; do i=$((i + 1)); done`;
    const { usage } = await fixture.run(
      specOf(`setsid bash -c '${busy}' & wait; head -c 30M /dev/zero | tail -c 30M > /dev/null`),
    );
    assert.ok(usage);
    assert.ok(usage.cpuMs > 50 && usage.cpuMs < 60_000, `${usage.cpuMs}`);
    assert.ok(usage.peakMemoryBytes > 30 * MIB && usage.peakMemoryBytes < 300 * MIB);
    assert.ok(usage.readBytes >= 0 && usage.writtenBytes >= 0);
  });

  test("that lost its parent, its session and its environment is found all the same", async () => {
    const started = fixture.start(
      specOf(
        `( env -i setsid bash -c '( echo $BASHPID; exec sleep 1000 ) & sleep 0.1' & ) ; sleep 0.5; echo ready; sleep 1000`,
        { graceMs: 300 },
      ),
    );
    await waitFor(() => started.text().includes("ready"));
    const pid = Number.parseInt(started.text(), 10);
    assert.ok(isAlive(pid));
    started.run.terminate(cancelled);
    assert.equal((await started.finished).processesLeft, 0);
    assert.ok(!isAlive(pid));
  });

  test("of a worker that died is ended by the next one on the machine", async () => {
    const source = `
      import { ControlGroups } from "./control-groups.ts";
      import { pino } from "pino";
      const groups = await ControlGroups.open({ log: pino({ level: "silent" }) });
      process.stdout.write(JSON.stringify(groups.create().procsPaths));
      setInterval(() => {}, 1000);`;
    const args = ["--conditions=@hodei/source", "--input-type=module", "--eval", source];
    const worker = spawn(process.execPath, args, { cwd: import.meta.dirname });
    const [text] = await once(worker.stdout, "data");
    const orphan = spawn("sleep", ["1000"], { detached: true, stdio: "ignore" });
    const gone = once(orphan, "exit");
    for (const path of JSON.parse(String(text))) writeFileSync(path, `${orphan.pid}`);
    const whileAlive = await ControlGroups.open({ log });
    whileAlive.close();
    assert.ok(isAlive(orphan.pid ?? 0));
    worker.kill("SIGKILL");
    await once(worker, "exit");
    const lines: string[] = [];
    const told = pino({ level: "warn" }, { write: (line) => void lines.push(line) });
    const next = await ControlGroups.open({ log: told });
    next.close();
    await gone;
    assert.match(lines.join(""), /worker\.abandoned_groups_removed/);
    for (const path of JSON.parse(String(text))) assert.throws(() => readFileSync(path));
  });
});

test("what SIGKILL does not end is told, and the worker is to leave", async (context) => {
  const freezer = Freezer.open();
  if (freezer === undefined)
    return context.skip("run as root, where the freezer of control groups (version 1) is mounted");
  const started = fixture.start(specOf("echo $$; sleep 1000", { graceMs: 100 }));
  await waitFor(() => started.text().includes("\n"));
  const pid = Number(started.text());
  try {
    await freezer.freeze(pid);
    started.run.terminate(cancelled);
    const { outcome, processesLeft } = await started.finished;
    assert.equal(outcome.reason, "unkillable");
    assert.equal(processesLeft, 1);
    assert.match(outcome.message, new RegExp(`: ${pid}\\.$`));
    assert.equal(fixture.unkillableCount, 1);
  } finally {
    freezer.thaw();
    await waitFor(() => !isAlive(pid));
    freezer.close();
  }
});

import assert from "node:assert/strict";
import { readdirSync } from "node:fs";
import process, { kill } from "node:process";
import { after, before, describe, suite, test } from "node:test";
import { outcomeOf } from "@hodei/domain";
import { waitFor } from "@hodei/testkit";
import { AttemptFixture, type Started, specOf } from "../../test/attempt-fixture.ts";
import { isAlive } from "../../test/is-alive.ts";
import { systemClock } from "../clock.ts";

const cancelled = outcomeOf("cancelled_by", "The job was cancelled.");
const GRACE_MS = 300;

/** The promise: the grace and 2 s, and what a slow machine needs to say so. */
const BOUND_MS = GRACE_MS + 2_000 + 1_000;

for (const withoutGroups of [false, true]) {
  suite(withoutGroups ? "without control groups" : "in control groups, where there may be", () => {
    let fixture: AttemptFixture;
    before(async () => {
      const { PATH, HOME } = process.env;
      fixture = await AttemptFixture.create({ PATH, HOME }, { withoutGroups });
    });
    after(() => fixture.remove());

    /** Starts `script`, which writes the pid of each process it leaves as a line, and `ready`, in any order. */
    async function startReady(script: string): Promise<{ started: Started; pids: number[] }> {
      const started = fixture.start(specOf(script, { graceMs: GRACE_MS }));
      const pidsOf = (text: string) =>
        [...text.matchAll(/^(\d+)\n/gm)].map(([, pid]) => Number(pid));
      const isReady = (text: string) => text.includes("ready\n") && pidsOf(text).length > 0;
      await waitFor(() => isReady(started.text()), { timeoutMs: 10_000 });
      const pids = pidsOf(started.text());
      assert.ok(pids.every(isAlive), started.text());
      return { started, pids };
    }

    /** Cancels what `script` started, and checks that nothing is left in time. */
    async function assertCancelled(script: string): Promise<void> {
      const { started, pids } = await startReady(script);
      const cancelledAt = performance.now();
      started.run.terminate(cancelled);
      const { outcome, processesLeft } = await started.finished;
      assert.equal(outcome.reason, "cancelled_by");
      assert.equal(processesLeft, 0);
      assert.deepEqual(pids.filter(isAlive), []);
      assert.ok(performance.now() - cancelledAt < BOUND_MS);
    }

    describe("after a cancel nothing is left of", () => {
      test("a double fork", () =>
        assertCancelled(`( ( echo $BASHPID; exec sleep 1000 ) & ) ; echo ready; sleep 1000`));

      test("setsid with nohup, its output elsewhere", () =>
        assertCancelled(
          `nohup setsid bash -c 'echo $$ >&3; exec sleep 1000' 3>&1 >/dev/null 2>&1 & sleep 0.2; echo ready; sleep 1000`,
        ));

      test("one that dropped its environment, in a session of its own", () =>
        assertCancelled(
          `env -i setsid bash -c 'echo $$; echo ready; exec sleep 1000' & wait; sleep 1000`,
        ));

      test("trap '' TERM in every process", () =>
        assertCancelled(
          `trap '' TERM; sleep 1000 & echo $!; setsid sleep 1001 & echo $!; echo ready; wait; sleep 1000`,
        ));

      test("a stopped tree, which may still obey SIGTERM", async () => {
        const { started } = await startReady(
          `trap 'echo obeyed; exit 0' TERM; echo $$; echo ready; kill -STOP $$; sleep 1000`,
        );
        started.run.terminate(cancelled);
        const { stdout, outcome, processesLeft } = await started.finished;
        assert.equal(outcome.reason, "cancelled_by");
        assert.equal(processesLeft, 0);
        assert.match(stdout.toString(), /obeyed/);
      });

      test("a tree that starts new processes all the time", () =>
        assertCancelled(
          `trap '' TERM; spawn() { while true; do setsid sleep 1000 & sleep 0.01; done; }; spawn & echo $!; echo ready; wait`,
        ));
    });

    describe("after an end of its own accord", () => {
      const daemon = `setsid bash -c 'echo $$ >&3; exec sleep 1000' 3>&1 >/dev/null 2>&1 & sleep 0.2`;

      test("what is left is ended", async () => {
        const { outcome, stdout, processesLeft } = await fixture.run(
          specOf(`${daemon}; echo done`),
        );
        assert.equal(outcome.reason, "completed");
        assert.equal(processesLeft, 0);
        assert.equal(isAlive(Number.parseInt(stdout.toString(), 10)), false);
      });

      test("a daemon that holds the output open is ended, and its last words are read", async () => {
        const startedAt = performance.now();
        const { outcome, stdout, processesLeft } = await fixture.run(
          specOf(`setsid bash -c 'echo of the daemon; exec sleep 1000' & sleep 0.2; echo done`),
        );
        assert.equal(outcome.reason, "completed");
        assert.equal(processesLeft, 0);
        assert.equal(stdout.toString(), "of the daemon\ndone\n");
        assert.ok(performance.now() - startedAt < 5_000);
      });

      test("the spec may want it to live; it is reported then", async () => {
        const spec = specOf(`${daemon}; echo done`, { keepBackground: true });
        const { outcome, stdout, processesLeft } = await fixture.run(spec);
        const pid = Number.parseInt(stdout.toString(), 10);
        try {
          assert.equal(outcome.reason, "completed");
          assert.equal(processesLeft, 1);
          assert.equal(isAlive(pid), true);
        } finally {
          kill(pid, "SIGKILL");
        }
      });

      test("what is still written when the first process has ended is read, of each stream", async () => {
        const lateOut = "(exec 2>&-; sleep 0.4; echo late out) &";
        const lateErr = "(exec >&-; sleep 0.8; echo late err >&2) &";
        const { outcome, stdout, stderr } = await fixture.run(
          specOf(`${lateOut} ${lateErr} echo out; echo err >&2`, { keepBackground: true }),
        );
        assert.equal(outcome.reason, "completed");
        assert.equal(stdout.toString(), "out\nlate out\n");
        assert.equal(stderr.toString(), "err\nlate err\n");
      });

      test("a job that closes its output goes on to its end", async () => {
        const { outcome, stdout } = await fixture.run(
          specOf("echo before; exec >&- 2>&-; sleep 0.3; exit 4"),
        );
        assert.equal(stdout.toString(), "before\n");
        assert.equal(outcome.exitCode, 4);
      });
    });

    test("another attempt's processes are left alone", async () => {
      const other = await startReady(`setsid sleep 1000 & echo $!; echo ready; sleep 1000`);
      await assertCancelled(`setsid sleep 1000 & echo $!; echo ready; sleep 1000`);
      assert.ok(other.pids.every(isAlive));
      other.started.run.kill();
      assert.equal((await other.started.finished).processesLeft, 0);
    });

    test("every directory of these attempts is removed", async () => {
      await waitFor(() => readdirSync(fixture.attemptsPath).length === 0);
      assert.equal(fixture.unkillableCount, 0);
    });
  });
}

test("a cancel while the last output of a finished command is read ends what the spec lets live", async () => {
  const delays: number[] = [];
  const startTimer: typeof systemClock.startTimer = (delayMs, fire) => {
    delays.push(delayMs);
    return systemClock.startTimer(delayMs, fire);
  };
  const { PATH, HOME } = process.env;
  const clock = { ...systemClock, startTimer };
  const fixture = await AttemptFixture.create({ PATH, HOME }, { clock });
  try {
    const started = fixture.start(specOf("sleep 1000 & echo $!", { keepBackground: true }));
    await waitFor(() => delays.includes(2_000));
    started.run.terminate(cancelled);
    const { outcome, stdout, processesLeft } = await started.finished;
    const isLeft = isAlive(Number.parseInt(stdout.toString(), 10));
    if (isLeft) kill(Number.parseInt(stdout.toString(), 10), "SIGKILL");
    assert.deepEqual(
      { reason: outcome.reason, processesLeft, isLeft },
      { reason: "cancelled_by", processesLeft: 0, isLeft: false },
    );
  } finally {
    await fixture.remove();
  }
});

test("a worker that was itself held up while it killed does not take that for processes that do not end", async () => {
  const { PATH, HOME } = process.env;
  let jumpedMs = 0;
  // Between any two looks at it as much time has passed as if the worker had been stopped.
  const monotonicMs = () => {
    jumpedMs += 60_000;
    return systemClock.monotonicMs() + jumpedMs;
  };
  const fixture = await AttemptFixture.create(
    { PATH, HOME },
    { withoutGroups: true, clock: { ...systemClock, monotonicMs } },
  );
  try {
    const started = fixture.start(specOf("sleep 1000 & echo ready; sleep 1000"));
    await waitFor(() => started.text().includes("ready"), { timeoutMs: 10_000 });
    started.run.kill();
    const { outcome, processesLeft } = await started.finished;
    assert.deepEqual([outcome.reason, processesLeft], ["worker_lost", 0]);
    assert.equal(fixture.unkillableCount, 0);
  } finally {
    await fixture.remove();
  }
});

import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { test } from "node:test";
import { type LogStream, outcomeOf } from "@hodei/domain";
import { newRef, specOf } from "../test/attempt-fixture.ts";
import type { AttemptEnd, AttemptOutput } from "./attempt-run.ts";
import { withRedaction } from "./redacted-attempt.ts";

const TOKEN = { name: "TOKEN", form: "env", value: Buffer.from("hunter2-of-old") } as const;

/** An attempt without a process: the test writes for it and ends it. */
function start(secrets: readonly (typeof TOKEN)[], isFull = false) {
  const ended = Promise.withResolvers<AttemptEnd>();
  let inner: AttemptOutput | undefined;
  const calls: string[] = [];
  const startAttempt = withRedaction((_ref, _spec, output) => {
    inner = output;
    return {
      ended: ended.promise,
      terminate: ({ reason }) => calls.push(`terminate ${reason}`),
      kill: () => calls.push("kill"),
      resumeOutput: () => calls.push("resume"),
    };
  });
  const shown = { stdout: "", stderr: "" };
  const run = startAttempt(newRef(), specOf("", { secrets }), {
    write: (stream, bytes) => {
      shown[stream] += Buffer.from(bytes).toString();
      return !isFull;
    },
  });
  const write = (stream: LogStream, text: string) => inner?.write(stream, Buffer.from(text));
  return { run, ended, shown, calls, write, hasStarted: () => inner !== undefined };
}

test("both streams and the message come masked, and what was held back before the end is told", async () => {
  const { run, ended, shown, write } = start([TOKEN]);
  write("stdout", "a hunter2-");
  write("stderr", "hunter2-of-old hunt");
  write("stdout", "of-old hunter2");
  assert.deepEqual(shown, { stdout: "a *** ", stderr: "*** " });
  ended.resolve({
    outcome: outcomeOf("spawn_failed", "no hunter2-of-old here"),
    processesLeft: 2,
    usage: null,
  });
  const { outcome, processesLeft } = await run.ended;
  assert.deepEqual(outcome, outcomeOf("spawn_failed", "no *** here"));
  assert.equal(processesLeft, 2);
  assert.deepEqual(shown, { stdout: "a *** ***", stderr: "*** hunt" });
});

test("the attempt is paused and ended as before", () => {
  const { run, calls, write } = start([TOKEN], true);
  assert.equal(write("stdout", "text"), false);
  run.terminate(outcomeOf("cancelled_by", ""));
  run.kill();
  run.resumeOutput();
  assert.deepEqual(calls, ["terminate cancelled_by", "kill", "resume"]);
});

test("an attempt whose secrets cannot be masked does not start", async () => {
  const secrets = Array.from({ length: 4 }, () => ({ ...TOKEN, value: randomBytes(65_536) }));
  const { run, hasStarted } = start(secrets);
  const { outcome } = await run.ended;
  assert.equal(outcome.reason, "secret_unavailable");
  assert.match(outcome.message, /too large together \(262144 bytes\)/);
  assert.equal(hasStarted(), false);
});

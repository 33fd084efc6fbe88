import assert from "node:assert/strict";
import { test } from "node:test";
import { type AttemptRef, type JobId, type LeaseToken, outcomeOf } from "@hodei/domain";
import { specOf } from "../test/attempt-fixture.ts";
import type { AttemptEnd, StartAttempt } from "./attempt-run.ts";
import { Gpus } from "./gpus.ts";

const REF: AttemptRef = {
  jobId: "00000000-0000-7000-8000-00000000000a" as JobId,
  attempt: 1,
  leaseToken: "00000000-0000-4000-8000-00000000000c" as LeaseToken,
};
const END: AttemptEnd = { outcome: outcomeOf("completed", ""), processesLeft: 0, usage: null };

/** Attempts that end when they are told, and the devices that each was given. */
function startStandIns(count: number) {
  const gpus = new Gpus(count);
  let env: Readonly<Record<string, string>> = {};
  const start: StartAttempt = (_, spec) => {
    const { promise: ended, resolve } = Promise.withResolvers<AttemptEnd>();
    env = spec.env;
    return { ended, terminate: () => resolve(END), kill: () => {}, resumeOutput: () => {} };
  };
  const startAttempt = gpus.assignTo(start);
  const run = (gpuCount: number, specEnv = {}) => {
    const spec = specOf(["true"], { gpuCount, env: specEnv });
    const attempt = startAttempt(REF, spec, { write: () => true });
    const end = async () => {
      attempt.terminate(END.outcome);
      await attempt.ended;
    };
    return { devices: env.CUDA_VISIBLE_DEVICES, env, end };
  };
  return { gpus, run };
}

test("each attempt has devices of its own until it has ended", async () => {
  const { gpus, run } = startStandIns(4);
  const first = run(2);
  const second = run(1);
  assert.deepEqual([first.devices, second.devices], ["0,1", "2"]);
  assert.equal(gpus.findObstacle(1), undefined);
  assert.match(gpus.findObstacle(2) ?? "", /1 of the worker's 4 GPUs are free, and 2 are needed/);
  await first.end();
  assert.equal(run(3).devices, "0,1,3");
});

test("a spec cannot take other devices, and without GPUs there are none to see", () => {
  const { run } = startStandIns(1);
  const greedy = run(0, { CUDA_VISIBLE_DEVICES: "0", OTHER: "x" });
  assert.deepEqual(greedy.env, {
    CUDA_VISIBLE_DEVICES: "",
    ROCR_VISIBLE_DEVICES: "",
    OTHER: "x",
  });
});

test("a worker without GPUs leaves the variables alone, and takes no attempt that needs some", () => {
  const { gpus, run } = startStandIns(0);
  assert.deepEqual(run(0, { CUDA_VISIBLE_DEVICES: "0" }).env, { CUDA_VISIBLE_DEVICES: "0" });
  assert.match(gpus.findObstacle(1) ?? "", /0 of the worker's 0 GPUs/);
});

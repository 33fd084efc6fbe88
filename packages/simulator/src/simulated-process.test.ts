import assert from "node:assert/strict";
import { test } from "node:test";
import { START } from "@hodei/testkit";
import { SimulatedProcess } from "./simulated-process.ts";
import { VirtualClock } from "./virtual-clock.ts";

function startProcess() {
  const clock = new VirtualClock(START);
  const process = new SimulatedProcess(clock);
  const seen: string[] = [];
  const note = (name: string) => () => seen.push(`${name} ${clock.elapsedMs}`);
  return { clock, process, seen, note };
}

test("what a stopped process would do waits, in order", async () => {
  const { clock, process, seen, note } = startProcess();
  for (const ms of [10, 20, 300]) process.later(ms, note("timer"));
  clock.schedule(5, () => process.stop(100));
  clock.schedule(15, () => process.act(note("message")));
  clock.schedule(50, () => process.stop(1_000));
  await clock.run(1_000, () => false);
  assert.deepEqual(seen, ["timer 105", "message 105", "timer 105", "timer 300"]);
});

test("nothing of a process happens after its end, even if it ends while it goes on", async () => {
  const { clock, process, seen, note } = startProcess();
  process.stop(10);
  process.act(note("first"));
  process.act(() => process.end());
  process.act(note("second"));
  process.later(20, note("timer"));
  await clock.run(1_000, () => false);
  assert.deepEqual(seen, ["first 10"]);
});

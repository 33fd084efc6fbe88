import assert from "node:assert/strict";
import { test } from "node:test";
import { measureRecoveries } from "./recoveries.ts";

const event = (type: string, at: number) => ({ jobId: "job", version: 1, type, at: new Date(at) });
const fault = (
  kind: "server-kill" | "database-restart" | "link-cut",
  began: number,
  healed: number,
) => ({
  kind,
  target: "any",
  atMs: 0,
  durationMs: 0,
  beganAt: new Date(began),
  healedAt: new Date(healed),
});

test("the time runs from the fault to the next start, and for a restart from its end", () => {
  const events = [
    event("job.started", 90),
    event("job.assigned", 110),
    event("job.started", 150),
    event("job.started", 400),
  ];
  const faults = [
    fault("server-kill", 100, 300),
    fault("server-kill", 140, 300),
    fault("database-restart", 100, 350),
    fault("link-cut", 100, 100),
  ];
  assert.deepEqual(measureRecoveries(faults, events), [
    { kind: "server-kill", count: 2, medianMs: 50, maxMs: 50 },
    { kind: "database-restart", count: 1, medianMs: 50, maxMs: 50 },
  ]);
});

test("a fault after the last start has no time", () => {
  assert.deepEqual(
    measureRecoveries([fault("server-kill", 500, 600)], [event("job.started", 400)]),
    [],
  );
});

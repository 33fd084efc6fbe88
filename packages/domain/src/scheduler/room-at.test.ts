import assert from "node:assert/strict";
import { test } from "node:test";
import { after } from "@hodei/testkit";
import { aHost, aNeed, ROOMY } from "./fixtures.test.ts";
import { type Occupant, roomAt } from "./room-at.ts";

const { requirements: oneCore } = aNeed();
const occupant = (endsBy: Date | null): Occupant => ({ requirements: oneCore, endsBy });

test("a host has room when enough of its attempts have run into their time-outs", () => {
  const host = aHost({ free: { ...ROOMY, cpuMillis: 1_000 } });
  const occupants = [occupant(after(300)), occupant(null), occupant(after(100))];
  const at = (cpuMillis: number, nowMs = 0) =>
    roomAt(host, aNeed({ cpuMillis }).requirements, occupants, after(nowMs));
  assert.deepEqual(at(1_000), after(0), "there is room now");
  assert.deepEqual(at(2_000), after(100));
  assert.deepEqual(at(3_000), after(300));
  assert.equal(at(4_000), null, "one of them may run for ever");
  assert.deepEqual(at(2_000, 150), after(150), "what is overdue ends any moment");
});

import assert from "node:assert/strict";
import { test } from "node:test";
import { parseCpuTimes, utilization } from "./cpu-times.ts";
import { parseMounts } from "./mount-table.ts";
import { parseNetwork } from "./network.ts";

test("cores are in use when they are neither idle nor wait for a disk; a guest counts once", () => {
  const from = parseCpuTimes("cpu  100 0 50 800 50 0 0 0 40 0\ncpu0 100 0 50 800 50 0 0 0 40 0\n");
  assert.deepEqual(from, { busy: 150, total: 1_000 });
  const to = parseCpuTimes("cpu  150 5 60 870 55 5 5 0 90 0\n");
  assert.equal(utilization(from, to), 0.5);
  assert.equal(utilization(to, to), 0);
});

test("a counter that went back makes no share below 0 or above 1", () => {
  assert.equal(utilization({ busy: 10, total: 100 }, { busy: 8, total: 110 }), 0);
  assert.equal(utilization({ busy: 10, total: 100 }, { busy: 30, total: 110 }), 1);
});

test("mounts with optional fields and blanks in their names", () => {
  const text = `27 1 254:0 /a\\040b /mnt/\\134x rw,discard shared:1 master:2 - ext4 /dev/vda rw,discard\n\n`;
  assert.deepEqual(parseMounts(text), [
    {
      device: "254:0",
      root: "/a b",
      mountPoint: "/mnt/\\x",
      type: "ext4",
      source: "/dev/vda",
      options: ["rw", "discard"],
    },
  ]);
});

test("network: what leaves the machine, once", () => {
  const text = `Inter-|   Receive                            |  Transmit
 face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs
    lo: 1000 1 0 0 0 0 0 0 1000 1 0 0 0 0 0 0
  eth0:  500 1 0 0 0 0 0 0  700 1 0 0 0 0 0 0
veth12a:  500 1 0 0 0 0 0 0  700 1 0 0 0 0 0 0
 wlan0: 7 1 0 0 0 0 0 0 11 1 0 0 0 0 0 0
`;
  assert.deepEqual(parseNetwork(text), { receivedBytes: 507, sentBytes: 711 });
});

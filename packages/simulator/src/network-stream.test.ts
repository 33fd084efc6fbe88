import assert from "node:assert/strict";
import { test } from "node:test";
import type { ServerMessage, WorkerId, WorkerMessage } from "@hodei/domain";
import { START, someWorkerFacts } from "@hodei/testkit";
import { NetworkStream } from "./network-stream.ts";
import { RandomStream } from "./random.ts";
import { VirtualClock } from "./virtual-clock.ts";

const FOREVER_MS = 1e9;
const REF = { jobId: "job", attempt: 1, leaseToken: "lease" } as never;

function openStream() {
  const clock = new VirtualClock(START);
  const toWorker: ServerMessage[] = [];
  const toServer: WorkerMessage[] = [];
  const ends: string[] = [];
  const stream = new NetworkStream(
    { clock, random: new RandomStream("stream") },
    {
      workerId: "worker" as WorkerId,
      hello: { facts: someWorkerFacts(), attempts: [] },
      workerEnd: {
        onMessage: (message) => toWorker.push(message),
        onClose: (reason) => ends.push(`worker ${reason} at ${clock.elapsedMs}`),
      },
    },
  );
  const read = async () => {
    for await (const message of stream.incoming) toServer.push(message);
    ends.push(`server at ${clock.elapsedMs}`);
  };
  void read();
  const settle = (ms = FOREVER_MS) => clock.run(clock.elapsedMs + ms, () => false);
  return { clock, stream, toWorker, toServer, ends, settle };
}

const ack = (offset: number): ServerMessage => ({ type: "log_ack", ack: { ref: REF, offset } });
const finished = (logBytes: number): WorkerMessage => ({
  type: "attempt_finished",
  report: { ref: REF, outcome: {} as never, logBytes, processesLeft: 0, usage: null },
});
const numbers = Array.from({ length: 200 }, (_, index) => index);

test("both directions keep their order, and the end comes after what was sent", async () => {
  const { stream, toServer, toWorker, ends, settle } = openStream();
  for (const number of numbers) {
    stream.sendToServer(finished(number));
    stream.sendToWorker(ack(number));
  }
  stream.endByServer("refused");
  await settle();
  assert.deepEqual(toWorker, numbers.map(ack));
  assert.match(ends.join(), /worker refused/);
  const other = openStream();
  for (const number of numbers) other.stream.sendToServer(finished(number));
  other.stream.endByWorker();
  await other.settle();
  assert.deepEqual(other.toServer, numbers.map(finished));
  assert.deepEqual(toServer, []);
});

test("a reset loses what is on its way, and both ends hear of it soon", async () => {
  const { stream, toServer, toWorker, ends, settle } = openStream();
  stream.sendToServer(finished(1));
  stream.sendToWorker(ack(1));
  stream.reset();
  assert.equal(stream.isIntact, false);
  await settle(1_000);
  assert.deepEqual([toServer, toWorker, ends.length], [[], [], 2]);
});

test("of a silent loss only the worker hears, after its pings were not answered", async () => {
  const { stream, toServer, ends, settle } = openStream();
  stream.silence();
  stream.sendToServer(finished(1));
  await settle(4_999);
  assert.deepEqual(ends, []);
  await settle(6_000);
  assert.equal(ends.length, 1);
  assert.match(ends[0] ?? "", /^worker closed/);
  assert.deepEqual(toServer, []);
});

test("a stall delays everything and loses nothing", async () => {
  const { stream, toServer, settle } = openStream();
  stream.stall(10_000);
  stream.sendToServer(finished(1));
  stream.sendToServer(finished(2));
  await settle(9_999);
  assert.deepEqual(toServer, []);
  await settle();
  assert.deepEqual(toServer, [finished(1), finished(2)]);
});

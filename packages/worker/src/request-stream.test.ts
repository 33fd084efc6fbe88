import assert from "node:assert/strict";
import { test } from "node:test";
import { create } from "@bufbuild/protobuf";
import { type SessionRequest, SessionRequestSchema } from "@hodei/proto/hodei/v1/worker_service";
import { VirtualClock } from "../test/virtual-clock.ts";
import { RequestStream } from "./request-stream.ts";

const request = (): SessionRequest => create(SessionRequestSchema, {});

function setUp() {
  const clock = new VirtualClock();
  const waiting: SessionRequest[] = [];
  const source = { dueAtMs: Number.POSITIVE_INFINITY };
  const stream = new RequestStream(clock, {
    nextRequest: () => waiting.shift(),
    dueAtMs: () => source.dueAtMs,
  });
  return { clock, waiting, source, stream };
}

test("it asks its source again when it is woken, and at the instant the source named", async () => {
  const { clock, waiting, source, stream } = setUp();
  const woken = stream.next();
  const first = request();
  waiting.push(first);
  stream.wake();
  assert.deepEqual(await woken, { value: first, done: false });
  source.dueAtMs = 250;
  const due = stream.next();
  const second = request();
  waiting.push(second);
  clock.advance(250);
  assert.deepEqual(await due, { value: second, done: false });
  assert.equal(clock.timerCount, 0);
});

test("finished, it says what is left and ends", async () => {
  const { waiting, stream } = setUp();
  waiting.push(request(), request());
  stream.finish();
  const rest = [];
  for await (const next of stream) rest.push(next);
  assert.equal(rest.length, 2);
});

test("when the call is over, a waiting request ends and nothing more is asked for", async () => {
  const { waiting, stream } = setUp();
  const pending = stream.next();
  await stream.throw();
  assert.equal((await pending).done, true);
  waiting.push(request());
  assert.equal((await stream.next()).done, true);
});

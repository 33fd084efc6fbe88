import assert from "node:assert/strict";
import { test } from "node:test";
import { RequestQueue } from "./request-queue.ts";

test("messages come out in their order, whether they were there before the reader or not", async () => {
  const queue = new RequestQueue<number>();
  queue.push(1, 2);
  const reader = queue[Symbol.asyncIterator]();
  assert.deepEqual(await reader.next(), { value: 1, done: false });
  queue.push(3);
  assert.deepEqual(await reader.next(), { value: 2, done: false });
  assert.deepEqual(await reader.next(), { value: 3, done: false });
  const waiting = reader.next();
  queue.push(4);
  assert.deepEqual(await waiting, { value: 4, done: false });
});

test("what is queued at the end is still read", async () => {
  const queue = new RequestQueue<string>();
  queue.push("last");
  queue.end();
  const reader = queue[Symbol.asyncIterator]();
  assert.deepEqual(await reader.next(), { value: "last", done: false });
  assert.equal((await reader.next()).done, true);
});

test("the end wakes a reader that waits", async () => {
  const queue = new RequestQueue<string>();
  const waiting = queue[Symbol.asyncIterator]().next();
  queue.end();
  assert.equal((await waiting).done, true);
});

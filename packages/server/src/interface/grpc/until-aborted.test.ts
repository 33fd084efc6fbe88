import assert from "node:assert/strict";
import { getEventListeners } from "node:events";
import { suite, test } from "node:test";
import { untilAborted } from "./until-aborted.ts";

const REASON = new Error("stop");

/** Numbers from 1 up to `count`; then waits for ever. Tells when it was left. */
async function* numbers(count: number, onLeft: () => void = () => undefined) {
  try {
    for (let number = 1; number <= count; number += 1) yield number;
    await new Promise(() => undefined);
  } finally {
    onLeft();
  }
}

suite("until aborted", () => {
  test("passes everything on, and the source's end", async () => {
    const source = async function* () {
      yield* [1, 2, 3];
    };
    const items: number[] = [];
    const { signal } = new AbortController();
    for await (const item of untilAborted(source(), signal)) items.push(item);
    assert.deepEqual(items, [1, 2, 3]);
  });

  test("passes the source's failure on", async () => {
    const source = async function* () {
      yield 1;
      throw REASON;
    };
    const items = untilAborted(source(), new AbortController().signal);
    assert.deepEqual(await items.next(), { done: false, value: 1 });
    await assert.rejects(items.next(), REASON);
  });

  test("fails with the signal's reason while the source waits", async () => {
    const abort = new AbortController();
    const left: Promise<unknown>[] = [];
    const items = untilAborted(numbers(1), abort.signal, (ending) => left.push(ending));
    await items.next();
    const waiting = items.next();
    abort.abort(REASON);
    await assert.rejects(waiting, REASON);
    assert.equal(left.length, 1);
  });

  test("fails before the next item when the signal aborts between two", async () => {
    const abort = new AbortController();
    const left = Promise.withResolvers<void>();
    const items = untilAborted(numbers(9, left.resolve), abort.signal);
    await items.next();
    abort.abort(REASON);
    await assert.rejects(items.next(), REASON);
    await left.promise;
  });

  test("leaves the source when it is left itself, and tells when that has ended", async () => {
    const { promise, resolve } = Promise.withResolvers<void>();
    let ending: Promise<unknown> | undefined;
    const items = untilAborted(numbers(9, resolve), new AbortController().signal, (promise) => {
      ending = promise;
    });
    for await (const item of items) if (item === 2) break;
    await promise;
    await ending;
  });

  test("an aborted signal reads nothing", async () => {
    let reads = 0;
    const source = {
      [Symbol.asyncIterator]: () => ({
        next: async () => {
          reads += 1;
          return { done: false as const, value: 1 };
        },
      }),
    };
    await assert.rejects(untilAborted(source, AbortSignal.abort(REASON)).next(), REASON);
    assert.equal(reads, 0);
  });

  test("keeps no listener behind", async () => {
    const { signal } = new AbortController();
    for await (const item of untilAborted(numbers(3), signal)) {
      assert.equal(getEventListeners(signal, "abort").length, 1);
      if (item === 3) break;
    }
    assert.equal(getEventListeners(signal, "abort").length, 0);
  });
});

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { ByteQueue } from "./byte-queue.ts";

test("it holds what was pushed and not dropped", () => {
  const step = fc.oneof(
    fc.uint8Array({ maxLength: 9_000 }).map((bytes) => ({ kind: "push", bytes }) as const),
    fc.nat({ max: 100 }).map((percent) => ({ kind: "drop", percent }) as const),
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
      const queue = new ByteQueue();
      let model = Buffer.alloc(0);
      for (const next of steps) {
        if (next.kind === "push") {
          queue.push(next.bytes);
          model = Buffer.concat([model, next.bytes]);
        } else {
          const count = Math.floor((model.length * next.percent) / 100);
          queue.drop(count);
          model = model.subarray(count);
        }
        assert.equal(queue.lengthBytes, model.length);
        const half = Math.floor(model.length / 2);
        assert.deepEqual(Buffer.from(queue.copy(half, model.length - half)), model.subarray(half));
      }
    }),
  );
});

test("a copy does not change when the queue does", () => {
  const queue = new ByteQueue();
  queue.push(Buffer.from("abc"));
  const copy = queue.copy(0, 3);
  queue.drop(3);
  queue.push(Buffer.from("xyz"));
  assert.equal(Buffer.from(copy).toString(), "abc");
});

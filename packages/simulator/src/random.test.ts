import assert from "node:assert/strict";
import { test } from "node:test";
import { RandomStream } from "./random.ts";

const draw = (stream: RandomStream, count = 20) => Array.from({ length: count }, stream.next);

test("a stream repeats itself; other seeds and other parts get other numbers", () => {
  const first = draw(new RandomStream("seed/1"));
  assert.deepEqual(draw(new RandomStream("seed/1")), first);
  assert.notDeepEqual(draw(new RandomStream("seed/2")), first);
  assert.notDeepEqual(draw(new RandomStream("seed/1").split("a")), first);
});

test("what one part draws does not shift what another part gets", () => {
  const quiet = new RandomStream("seed/1");
  const busy = new RandomStream("seed/1");
  draw(busy, 1_000);
  assert.deepEqual(draw(busy.split("worker")), draw(quiet.split("worker")));
});

test("numbers are spread evenly within their bounds", () => {
  const stream = new RandomStream("seed/1");
  const counts = new Map<number, number>();
  for (let index = 0; index < 10_000; index += 1) {
    const value = stream.integer(3, 7);
    counts.set(value, (counts.get(value) ?? 0) + 1);
  }
  assert.deepEqual([...counts.keys()].toSorted(), [3, 4, 5, 6, 7]);
  for (const count of counts.values()) assert.ok(count > 1_800 && count < 2_200, `${count}`);
  const chances = Array.from({ length: 10_000 }, () => stream.chance(0.1)).filter(Boolean).length;
  assert.ok(chances > 850 && chances < 1_150, `${chances}`);
  assert.equal(stream.pick([]), undefined);
});

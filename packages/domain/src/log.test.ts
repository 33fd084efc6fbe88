import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { afterNewline, countLines, newlinesIn } from "./log.ts";

const anyBytes = fc.uint8Array({ maxLength: 60 }).map((bytes) => bytes.map((byte) => byte % 12));

test("newlines are counted wherever the bytes lie in memory", () => {
  fc.assert(
    fc.property(anyBytes, fc.nat({ max: 8 }), fc.nat({ max: 60 }), (bytes, skip, length) => {
      const data = bytes.subarray(Math.min(skip, bytes.length));
      const end = Math.min(length, data.length);
      const expected = data.subarray(0, end).filter((byte) => byte === 10).length;
      assert.equal(newlinesIn(data, 0, end), expected);
      const first = Math.min(skip, end);
      const rest = data.subarray(first, end).filter((byte) => byte === 10).length;
      assert.equal(newlinesIn(data, first, end), rest);
    }),
  );
});

test("a newline is followed by the byte after it", () => {
  const data = Uint8Array.from([10, 1, 10, 2]);
  assert.deepEqual(
    [0, 1, 2, 3].map((count) => afterNewline(data, count)),
    [0, 1, 3, undefined],
  );
});

test("newlines are those of the stream that wrote them; what is missing has none", () => {
  const run = { at: new Date(0), gap: null };
  const segments = [
    { ...run, stream: "stdout", lengthBytes: 2 },
    { ...run, stream: "stderr", lengthBytes: 9, gap: "dropped" },
    { ...run, stream: "stderr", lengthBytes: 3 },
  ] as const;
  const counts = countLines(Uint8Array.from([1, 10, 10, 10, 1]), segments);
  assert.deepEqual(counts, { stdout: 1, stderr: 2 });
});

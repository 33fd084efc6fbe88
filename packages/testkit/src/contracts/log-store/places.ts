import assert from "node:assert/strict";
import { test } from "node:test";
import type { AttemptRef, LogStart, LogStore, LogStream } from "@hodei/domain";
import fc from "fast-check";
import { after } from "../../builders.ts";
import { batchOf, type Open, readThrough, refOf } from "./log-scene.ts";

/** What a log looks like as one batch after another; of the times, that of part `n` of a batch is `n` ms. */
type Parts = readonly string[];

/** Where to begin: lines, and times. */
export function testPlaces(open: Open): void {
  testLines(open);
  testTimes(open);
  testOracle(open);
}

function testLines(open: Open): void {
  const parts = ["out:a\nb\n", "err:1\n2", "out:c\n\nd", "err:3\n", "out:e\n"];
  // both: a b 12c "" d3 e, each ended by a newline; stdout: a b c "" de; stderr: 1 23
  const cases: readonly (readonly [LogStream | null, string])[] = [
    [null, "a\nb\n1\n2c\n\nd3\ne\n"],
    ["stdout", "a\nb\nc\n\nde\n"],
    ["stderr", "1\n23\n"],
  ];
  for (const [stream, text] of cases) {
    test(`lines are found from both ends: ${stream ?? "both"}`, async (context) => {
      const { logs, attempt } = await open(context);
      const ref = refOf(await attempt());
      await write(
        logs,
        ref,
        parts.map((part) => [part]),
      );
      const lines = text.split(/(?<=\n)/);
      for (let count = 0; count <= lines.length + 2; count += 1) {
        const last = await readFrom(logs, ref, stream, { kind: "last_lines", count });
        assert.equal(last.text, count === 0 ? "" : lines.slice(-count).join(""), `${count} lines`);
        assert.equal(last.linesBefore, Math.max(0, lines.length - count));
        const from = await readFrom(logs, ref, stream, { kind: "line", number: count });
        assert.equal(from.text, lines.slice(Math.max(0, count - 1)).join(""), `line ${count}`);
        assert.equal(from.linesBefore, Math.min(lines.length, Math.max(0, count - 1)));
      }
    });
  }

  test("a last line without an end counts", async (context) => {
    const { logs, attempt } = await open(context);
    const ref = refOf(await attempt());
    const place = async (count: number, stream: LogStream | null = null) =>
      find(logs, ref, stream, { kind: "last_lines", count });
    assert.deepEqual(await place(3), { offset: 0, linesBefore: 0 });
    await logs.append([batchOf(ref, 0, ["out:one\ntwo\nthree"])]);
    assert.deepEqual(await place(1), { offset: 8, linesBefore: 2 });
    assert.deepEqual(await place(2), { offset: 4, linesBefore: 1 });
    assert.deepEqual(await place(9), { offset: 0, linesBefore: 0 });
    assert.deepEqual(await place(1, "stderr"), { offset: 0, linesBefore: 0 });
    assert.deepEqual(await place(0), { offset: 13, linesBefore: 2 });
  });
}

function testTimes(open: Open): void {
  test("what was read at a time or later is found, within a batch too", async (context) => {
    const { logs, attempt } = await open(context);
    const ref = refOf(await attempt());
    const at = (ms: number) => find(logs, ref, null, { kind: "time", at: after(ms) });
    assert.deepEqual(await at(0), { offset: 0, linesBefore: 0 });
    const first = batchOf(ref, 0, ["out:a\n", "err:b\n", "out:c"]);
    const later = batchOf(ref, 5, ["out:\nd\n"]);
    const segments = later.segments.map((segment) => ({ ...segment, at: after(100) }));
    await logs.append([first, { ...later, segments }]);
    assert.deepEqual(await at(-5), { offset: 0, linesBefore: 0 });
    assert.deepEqual(await at(1), { offset: 2, linesBefore: 1 });
    assert.deepEqual(await at(3), { offset: 5, linesBefore: 2 });
    assert.deepEqual(await at(100), { offset: 5, linesBefore: 2 });
    assert.deepEqual(await at(101), { offset: 8, linesBefore: 4 });
  });

  test("missing bytes have no lines, and are one that has not ended", async (context) => {
    const { logs, attempt } = await open(context);
    const ref = refOf(await attempt());
    const batch = batchOf(ref, 0, ["out:a\nb\n"]);
    const gap = { stream: "stdout", lengthBytes: 7, at: after(9), gap: "limit" } as const;
    await logs.append([{ ...batch, segments: [...batch.segments, gap] }]);
    const tail = (count: number) => find(logs, ref, null, { kind: "last_lines", count });
    assert.deepEqual(await tail(1), { offset: 4, linesBefore: 2 });
    assert.deepEqual(await tail(2), { offset: 2, linesBefore: 1 });
  });
}

/** Every place of random logs is where counting from the start finds it. */
function testOracle(open: Open): void {
  const anyPart = fc.tuple(
    fc.constantFrom("out:", "err:"),
    fc.string({ unit: fc.constantFrom("\n", "\n", "x"), minLength: 1, maxLength: 6 }),
  );
  const anyBatches = fc.array(
    fc.array(
      anyPart.map((part) => part.join("")),
      { minLength: 1, maxLength: 4 },
    ),
    { maxLength: 12 },
  );
  test("wherever a log begins, it has the lines that are counted from its start", async (context) => {
    const { logs, attempt } = await open(context);
    await fc.assert(
      fc.asyncProperty(
        anyBatches,
        fc.constantFrom(null, "stdout" as const, "stderr" as const),
        fc.nat({ max: 60 }),
        async (batches, stream, number) => {
          const ref = refOf(await attempt());
          await write(logs, ref, batches);
          const text = await readThrough(logs, ref, { maxBytes: 1_000, stream });
          const lines = text.match(/[^\n]*\n|[^\n]+$/g) ?? [];
          const from = await readFrom(logs, ref, stream, { kind: "line", number });
          assert.equal(from.text, lines.slice(Math.max(0, number - 1)).join(""));
          const last = await readFrom(logs, ref, stream, { kind: "last_lines", count: number });
          assert.equal(last.text, number === 0 ? "" : lines.slice(-number).join(""));
          const { offset } = await find(logs, ref, stream, { kind: "line", number });
          const again = await find(logs, ref, stream, { kind: "offset", offset });
          assert.deepEqual(again, { offset, linesBefore: from.linesBefore });
        },
      ),
      { numRuns: 40 },
    );
  });
}

function find(logs: LogStore, ref: AttemptRef, stream: LogStream | null, start: LogStart) {
  return logs.findPlace({ jobId: ref.jobId, attempt: ref.attempt, stream, start });
}

async function readFrom(
  logs: LogStore,
  ref: AttemptRef,
  stream: LogStream | null,
  start: LogStart,
): Promise<{ readonly text: string; readonly linesBefore: number }> {
  const { offset, linesBefore } = await find(logs, ref, stream, start);
  return { text: await readThrough(logs, ref, { maxBytes: 100, stream, offset }), linesBefore };
}

async function write(logs: LogStore, ref: AttemptRef, batches: readonly Parts[]): Promise<void> {
  let offset = 0;
  for (const parts of batches) {
    const batch = batchOf(ref, offset, parts);
    await logs.append([batch]);
    offset += batch.data.length;
  }
}

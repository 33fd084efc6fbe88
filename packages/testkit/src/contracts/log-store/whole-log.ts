import assert from "node:assert/strict";
import { test } from "node:test";
import type { AttemptRef, LogBatch, LogSegment, LogStore, LogStream } from "@hodei/domain";
import fc from "fast-check";
import { after } from "../../builders.ts";
import { latin1, type Open, readThrough, refOf } from "./log-scene.ts";

/** What a worker sends over a bad network: pieces again, together, late, or from an earlier offset. */
export function testWholeLog(open: Open): void {
  const anyPart = fc.record({
    stream: fc.constantFrom("stdout" as const, "stderr" as const),
    data: fc.uint8Array({ maxLength: 12 }),
  });
  const anyTrip = fc.record({
    /** Where the batches of the trip begin, as a part of what could be sent. */
    from: fc.double({ min: 0, max: 1, noNaN: true }),
    sizes: fc.array(fc.integer({ min: 0, max: 30 }), { minLength: 1, maxLength: 4 }),
    order: fc.constantFrom("kept" as const, "reversed" as const, "doubled" as const),
    reopened: fc.boolean(),
    isTogether: fc.boolean(),
  });

  test("whatever is repeated, cut, mixed up or lost, the log is whole", async (context) => {
    const { logs, attempt, reopen } = await open(context);
    const anyParts = fc.array(anyPart, { maxLength: 30 });
    const anyTrips = fc.array(anyTrip, { maxLength: 12 });
    await fc.assert(
      fc.asyncProperty(anyParts, anyTrips, async (parts, trips) => {
        const ref = refOf(await attempt());
        const source = new Source(ref, parts);
        let store = logs;
        for (const { from, sizes, order, reopened, isTogether } of trips) {
          if (reopened) store = reopen();
          const batches = arrange(source.batches(Math.floor(from * source.length), sizes), order);
          const before = await store.durableOffset(ref.jobId, ref.attempt);
          if (isTogether) await store.append(batches);
          else await Promise.all(batches.map((batch) => store.append([batch])));
          assert.ok((await store.durableOffset(ref.jobId, ref.attempt)) >= before);
        }
        await resend(store, source);
        for (const stream of [null, "stdout", "stderr"] as const) {
          const read = await readThrough(store, ref, { maxBytes: 50, stream });
          assert.equal(read, source.text(stream));
        }
      }),
      { numRuns: 40 },
    );
  });
}

function arrange(batches: readonly LogBatch[], order: "kept" | "reversed" | "doubled") {
  if (order === "kept") return batches;
  return order === "reversed" ? batches.toReversed() : [...batches, ...batches];
}

/** As a worker does after a reconnect: from what is durable to the end. */
async function resend(logs: LogStore, source: Source): Promise<void> {
  const { jobId, attempt } = source.ref;
  for (;;) {
    const offset = await logs.durableOffset(jobId, attempt);
    if (offset === source.length) return;
    await logs.append(source.batches(offset, [7, 7]));
  }
}

/** All that an attempt writes, to be cut into batches anywhere. */
class Source {
  readonly ref: AttemptRef;
  readonly #streams: readonly LogStream[];
  readonly #data: Uint8Array;

  constructor(
    ref: AttemptRef,
    parts: readonly { readonly stream: LogStream; readonly data: Uint8Array }[],
  ) {
    this.ref = ref;
    this.#data = Uint8Array.from(parts.flatMap(({ data }) => [...data]));
    this.#streams = parts.flatMap(({ stream, data }) => Array.from(data, () => stream));
  }

  get length(): number {
    return this.#data.length;
  }

  text(stream: LogStream | null): string {
    const passes = (_: number, index: number) => stream === null || this.#streams[index] === stream;
    return latin1(this.#data.filter(passes));
  }

  /** Batches of these sizes that follow each other from `offset`. */
  batches(offset: number, sizes: readonly number[]): LogBatch[] {
    let start = offset;
    return sizes.map((size) => {
      const data = this.#data.slice(start, start + size);
      const segments: LogSegment[] = Array.from(data, (_, index) => ({
        stream: this.#streams[start + index] ?? "stdout",
        lengthBytes: 1,
        at: after(start + index),
      }));
      const batch = { ref: this.ref, offset: start, data, segments };
      start += data.length;
      return batch;
    });
  }
}

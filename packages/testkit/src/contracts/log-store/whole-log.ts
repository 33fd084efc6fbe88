import assert from "node:assert/strict";
import { test } from "node:test";
import type { AttemptRef, LogBatch, LogGap, LogSegment, LogStore, LogStream } from "@hodei/domain";
import fc from "fast-check";
import { after } from "../../builders.ts";
import { compressed, latin1, type Open, readThrough, refOf } from "./log-scene.ts";

/** What a worker sends over a bad network: pieces again, together, late, or from an earlier offset. */
export function testWholeLog(open: Open): void {
  const anyPart = fc.record({
    stream: fc.constantFrom("stdout" as const, "stderr" as const),
    data: fc.uint8Array({ maxLength: 12 }),
    gap: fc.constantFrom(null, null, "dropped" as const, "limit" as const),
  });
  const anyTrip = fc.record({
    /** Where the batches of the trip begin, as a part of what could be sent. */
    from: fc.double({ min: 0, max: 1, noNaN: true }),
    sizes: fc.array(fc.integer({ min: 0, max: 30 }), { minLength: 1, maxLength: 4 }),
    order: fc.constantFrom("kept" as const, "reversed" as const, "doubled" as const),
    reopened: fc.boolean(),
    isTogether: fc.boolean(),
    isCompressed: fc.boolean(),
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
        for (const trip of trips) {
          if (trip.reopened) store = reopen();
          const before = await store.durableOffset(ref.jobId, ref.attempt);
          await send(store, source, trip);
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

interface Trip {
  readonly from: number;
  readonly sizes: readonly number[];
  readonly order: "kept" | "reversed" | "doubled";
  readonly isTogether: boolean;
  readonly isCompressed: boolean;
}

async function send(
  store: LogStore,
  source: Source,
  { from, sizes, order, isTogether, isCompressed }: Trip,
): Promise<void> {
  const sent = source.batches(Math.floor(from * source.length), sizes);
  const batches = arrange(isCompressed ? sent.map(compressed) : sent, order);
  if (isTogether) await store.append(batches);
  else await Promise.all(batches.map((batch) => store.append([batch])));
}

function arrange(batches: readonly LogBatch[], order: Trip["order"]) {
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

interface Part {
  readonly stream: LogStream;
  readonly data: Uint8Array;
  /** Set: the worker counts the bytes and leaves them out. */
  readonly gap: LogGap | null;
}

/** All that an attempt writes, to be cut into batches anywhere. */
class Source {
  readonly ref: AttemptRef;
  readonly #bytes: readonly (Pick<Part, "stream" | "gap"> & { readonly value: number })[];

  constructor(ref: AttemptRef, parts: readonly Part[]) {
    this.ref = ref;
    this.#bytes = parts.flatMap(({ stream, gap, data }) =>
      Array.from(data, (value) => ({ stream, gap, value })),
    );
  }

  get length(): number {
    return this.#bytes.length;
  }

  /** As `readThrough` shows it. */
  text(stream: LogStream | null): string {
    const read = this.#bytes.filter((byte) => stream === null || byte.stream === stream);
    return read.map(({ gap, value }) => (gap ? "?" : latin1(Uint8Array.of(value)))).join("");
  }

  /** Batches of these sizes that follow each other from `offset`. */
  batches(offset: number, sizes: readonly number[]): LogBatch[] {
    let start = offset;
    return sizes.map((size) => {
      const bytes = this.#bytes.slice(start, start + size);
      const segments: LogSegment[] = bytes.map(({ stream, gap }, index) => ({
        stream,
        gap,
        lengthBytes: 1,
        at: after(start + index),
      }));
      const present = bytes.filter(({ gap }) => gap === null).map(({ value }) => value);
      const data = Uint8Array.from(present);
      const batch: LogBatch = { ref: this.ref, offset: start, data, compression: "none", segments };
      start += bytes.length;
      return batch;
    });
  }
}

import assert from "node:assert/strict";
import { test } from "node:test";
import type { LogBatch, LogGap, LogStream } from "@hodei/domain";
import { after } from "../../builders.ts";
import { batchOf, everything, type Open, readStreams, refOf } from "./log-scene.ts";

/** Bytes that a worker left out. */
export function testGaps(open: Open): void {
  test("missing bytes are counted, in their place and with their reason", async (context) => {
    const { logs, attempt } = await open(context);
    const ref = refOf(await attempt());
    const batches = [
      batchOf(ref, 0, ["out:ab"]),
      withGap(batchOf(ref, 2, ["err:cd"]), { stream: "stdout", lengthBytes: 3, gap: "dropped" }),
      withGap(batchOf(ref, 7, []), { stream: "stderr", lengthBytes: 4e9, gap: "limit" }),
    ];
    assert.deepEqual((await logs.append(batches)).at(-1), {
      kind: "stored",
      durableOffset: 4_000_000_007,
    });
    const { chunks, nextOffset } = await logs.read({ ...everything(ref), offset: 3 });
    assert.deepEqual(
      chunks.map(({ stream, offset, missing }) => ({ stream, offset, missing })),
      [
        { stream: "stderr", offset: 3, missing: null },
        { stream: "stdout", offset: 4, missing: { reason: "dropped", lengthBytes: 3 } },
        { stream: "stderr", offset: 7, missing: { reason: "limit", lengthBytes: 4e9 } },
      ],
    );
    assert.equal(nextOffset, 4_000_000_007);
  });

  test("a gap that is repeated, or cut by an overlap, is counted once", async (context) => {
    const { logs, attempt } = await open(context);
    const ref = refOf(await attempt());
    const gap = { stream: "stdout", lengthBytes: 3, gap: "dropped" } as const;
    const batch = withGap(batchOf(ref, 0, ["out:ab"]), gap);
    await logs.append([batch, batch, { ...withGap(batchOf(ref, 3, []), gap) }]);
    assert.equal((await readStreams(logs, ref)).both, "ab????");
  });
}

/** `batch` with bytes missing after it. */
function withGap(
  batch: LogBatch,
  gap: { readonly stream: LogStream; readonly lengthBytes: number; readonly gap: LogGap },
): LogBatch {
  return { ...batch, segments: [...batch.segments, { ...gap, at: after(9) }] };
}

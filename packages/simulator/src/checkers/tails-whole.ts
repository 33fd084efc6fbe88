import { type FinishedRun, logKey, type Violation } from "../finished-run.ts";
import type { Tail } from "../history.ts";

/** Who follows a log gets its bytes in order, none twice, and all of them when told that it is complete. */
export function checkTailsWhole({ history, logs }: FinishedRun): Violation[] {
  return history.tails.flatMap((tail) => {
    const stored = logs.get(logKey({ jobId: tail.jobId, number: tail.attempt }));
    return checkTail(tail, stored ?? new Uint8Array(0)).map((text) => ({
      promise: "tails-whole",
      message: `the tail of attempt ${tail.attempt} ${text}`,
      subject: tail.jobId,
    }));
  });
}

function checkTail({ chunks, isComplete }: Tail, stored: Uint8Array): string[] {
  let offset = 0;
  for (const chunk of chunks) {
    if (chunk.offset !== offset) return [`goes on at ${chunk.offset} after ${offset}`];
    const wrong = chunk.data.findIndex((byte, index) => byte !== stored[offset + index]);
    if (wrong !== -1) return [`differs from what is stored at ${offset + wrong}`];
    offset += chunk.data.length;
  }
  if (!isComplete) return ["has not come to its end"];
  return offset === stored.length ? [] : [`ended at ${offset} of ${stored.length} bytes`];
}

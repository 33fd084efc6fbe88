import { type Attempt, type AttemptRef, invariant, isAttemptOver } from "@hodei/domain";
import { type FinishedRun, logKey, type Violation } from "../finished-run.ts";
import { outputOf } from "../program.ts";

/**
 * The stored log of an attempt is the beginning of what its program wrote: all that was acked, and as much as its end
 * says; when a result was accepted, that is all of it. Nothing is added after the end.
 */
export function checkLogsWhole({ history, attempts, logs }: FinishedRun): Violation[] {
  const acked = new Map<string, number>();
  for (const { ref, offset } of history.logAcks) {
    acked.set(ref.leaseToken, Math.max(offset, acked.get(ref.leaseToken) ?? 0));
  }
  return [...attempts.values()].flat().flatMap((attempt) => {
    const stored = logs.get(logKey(attempt));
    invariant(stored !== undefined, "the log of each attempt was read");
    const messages = checkLog(attempt, stored, acked.get(attempt.leaseToken) ?? 0);
    return messages.map((text) => ({
      promise: "logs-whole",
      message: `attempt ${attempt.number}: ${text}`,
      subject: attempt.jobId,
    }));
  });
}

function checkLog(attempt: Attempt, stored: Uint8Array, ackedBytes: number): string[] {
  const { jobId, number, leaseToken, logBytes, state } = attempt;
  const ref: AttemptRef = { jobId, attempt: number, leaseToken };
  const expected = outputOf(ref, 0, stored.length);
  const messages: string[] = [];
  const wrong = stored.findIndex((byte, offset) => byte !== expected[offset]);
  if (wrong !== -1) messages.push(`byte ${wrong} of the log is not what the program wrote`);
  if (stored.length < ackedBytes) {
    messages.push(`${stored.length} bytes are stored, ${ackedBytes} were acked`);
  }
  if (isAttemptOver(state) && stored.length !== logBytes) {
    messages.push(`${stored.length} bytes are stored, its end says ${logBytes}`);
  }
  return messages;
}

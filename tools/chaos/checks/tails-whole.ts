import { isDeepStrictEqual } from "node:util";
import type { FinishedRun, Violation } from "../history/finished-run.ts";
import type { LogDigest } from "../history/log-digest.ts";

/** Who followed a log to its end has read what is stored, byte for byte and gap for gap. */
export function checkTailsWhole(run: FinishedRun): readonly Violation[] {
  const stored = Map.groupBy(run.logs, ({ jobId }) => jobId);
  return run.tails.flatMap(({ jobId, logs }) => {
    const seen = new Map(logs.map((log) => [log.attempt, log]));
    return (stored.get(jobId) ?? []).flatMap((log) => {
      const tail = seen.get(log.attempt);
      const isEmpty = log.stdout.bytes + log.stderr.bytes === 0;
      if (tail === undefined ? isEmpty : isDeepStrictEqual(log, tail)) return [];
      const message = `the live tail of attempt ${log.attempt} read ${sizes(tail)}, and ${sizes(log)} is stored`;
      return [{ promise: "logs-whole", message, jobId }];
    });
  });
}

const sizes = (log: LogDigest | undefined): string =>
  log === undefined ? "nothing" : `${log.stdout.bytes} + ${log.stderr.bytes} bytes`;

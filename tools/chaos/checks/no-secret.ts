import type { FinishedRun, Violation } from "../history/finished-run.ts";

/** No secret was found where it may not be. */
export function checkNoSecret({ leaks }: FinishedRun): readonly Violation[] {
  return leaks.map(({ where, secret, found }) => ({
    promise: "no-secret-in-logs",
    message: `${secret} stands in ${where} (${found})`,
    jobId: /^log of (\S+)$/.exec(where)?.[1] ?? null,
  }));
}

import type { FinishedRun, Violation } from "../history/finished-run.ts";

/** No process took more memory than its bound, and none ended by itself. */
export function checkBounded({ memory, unexpectedEnds }: FinishedRun): readonly Violation[] {
  const violate = (message: string) => ({ promise: "bounded", message, jobId: null });
  return [
    ...memory
      .filter(({ rssBytes, boundBytes }) => rssBytes > boundBytes)
      .map(({ name, rssBytes, boundBytes }) =>
        violate(`${name} had ${mib(rssBytes)} of memory; its bound is ${mib(boundBytes)}`),
      ),
    ...unexpectedEnds.map(violate),
  ];
}

const mib = (bytes: number): string => `${Math.round(bytes / 1024 / 1024)} MiB`;

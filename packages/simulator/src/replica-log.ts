import type { Logger } from "@hodei/domain";
import type { World } from "./world.ts";

type Fields = Readonly<Record<string, unknown>>;

/** Writes a replica's log to the trace, and its errors to the history. A dead replica says nothing. */
export function createLogger(
  { clock, trace, history }: Pick<World, "clock" | "trace" | "history">,
  source: string,
  isAlive: () => boolean,
): Logger {
  const write = (event: string, fields: Fields = {}) => {
    if (!isAlive()) return;
    const { jobId, workerId, error, ...others } = fields;
    const subjects = [jobId, workerId].filter((id) => typeof id === "string");
    const details = Object.entries(others).map(([name, value]) => `${name}=${value}`);
    const reason = error instanceof Error ? [`error=${error.message}`] : [];
    trace.add(
      source,
      [event, ...details, ...reason].join(" "),
      ...(subjects.length > 0 ? subjects : [source]),
    );
    if (error instanceof Error) history.failures.push({ atMs: clock.elapsedMs, event, error });
  };
  return { info: write, warn: write, error: write };
}

import type { DayPartitions } from "@hodei/domain";
import type { Deps } from "./deps.ts";

const DAY_MS = 86_400_000;
/** Days that are ready before their first record: as long may the leader's loop be out of order without any cost. */
const AHEAD_MS = 7 * DAY_MS;

/** Records and how long they are kept, at least. */
export interface KeptRecords {
  readonly partitions: DayPartitions;
  readonly retentionMs: number;
  /** Whether their days are made before the first record comes. Those that are not cost their first writer a moment. */
  readonly made: "ahead" | "when_needed";
}

type KeepDeps = Pick<Deps, "keptRecords" | "clock" | "log">;

/** Makes days to come ready. */
export async function prepareRecords({
  keptRecords,
  clock,
}: Pick<KeepDeps, "keptRecords" | "clock">): Promise<void> {
  const nowMs = clock.now().getTime();
  // Clocks of servers differ a little: yesterday may not be over everywhere.
  const [from, to] = [new Date(nowMs - DAY_MS), new Date(nowMs + AHEAD_MS)];
  const ahead = keptRecords.filter(({ made }) => made === "ahead");
  await Promise.all(ahead.map(({ partitions }) => partitions.create(from, to)));
}

/** One turn: days to come are made ready, and those that were kept for long enough go. */
export async function keepRecords(deps: KeepDeps): Promise<undefined> {
  await prepareRecords(deps);
  const nowMs = deps.clock.now().getTime();
  await Promise.all(
    deps.keptRecords.map(async ({ partitions, retentionMs }) => {
      const days = await partitions.drop(new Date(nowMs - retentionMs));
      if (days.length > 0) deps.log.info("records_dropped", { records: partitions.name, days });
    }),
  );
}

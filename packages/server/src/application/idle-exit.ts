import type { Deps } from "./deps.ts";

export interface IdleExitOptions {
  /** How long nothing may happen. */
  readonly idleExitMs: number;
  /** Since when no call has been under way; `null` while one is. */
  readonly idleSince: () => Date | null;
  readonly exit: () => void;
}

/** One turn: calls `exit` when for `idleExitMs` no call was under way and no job is unfinished. */
export async function exitWhenIdle(
  deps: Pick<Deps, "database" | "clock">,
  { idleExitMs, idleSince, exit }: IdleExitOptions,
): Promise<undefined> {
  const since = idleSince();
  if (since === null || deps.clock.now().getTime() - since.getTime() < idleExitMs) return;
  if ((await deps.database.readers.jobs.countUnfinished()) === 0) exit();
}

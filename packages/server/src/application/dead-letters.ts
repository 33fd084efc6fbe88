import type { DeadLetterKey, Page, PageRequest, UndeliveredEvent } from "@hodei/domain";
import type { Deps } from "./deps.ts";
import type { Principal } from "./principal.ts";

/** Events of the caller's tenant that could not be delivered, in the order in which they happened. */
export async function listDeadLetters(
  { database }: Pick<Deps, "database">,
  { tenantId }: Principal,
  page: PageRequest,
): Promise<Page<UndeliveredEvent>> {
  return database.readers.subscriptions.listDead(tenantId, page);
}

/** Has dead letters of the caller's tenant tried anew; `null`: all. Returns how many there were; repeats are safe. */
export async function replayDeadLetters(
  { database, clock, signals }: Pick<Deps, "database" | "clock" | "signals">,
  { tenantId }: Principal,
  keys: readonly DeadLetterKey[] | null,
): Promise<number> {
  const count = await database.transact(({ subscriptions }) =>
    subscriptions.replayDead(tenantId, keys, clock.now()),
  );
  signals.notify("events");
  return count;
}

/** Forgets dead letters of the caller's tenant; `null`: all. Returns how many there were; repeats are safe. */
export async function discardDeadLetters(
  { database }: Pick<Deps, "database">,
  { tenantId }: Principal,
  keys: readonly DeadLetterKey[] | null,
): Promise<number> {
  return database.transact(({ subscriptions }) => subscriptions.discardDead(tenantId, keys));
}

import type { EventCursor, EventFilter, EventPage, StopSignal, StoredEvent } from "@hodei/domain";
import type { Deps } from "./deps.ts";
import type { Principal } from "./principal.ts";

/** Events that one read of a watcher takes. */
const WATCH_PAGE_COUNT = 500;

export type OwnEventFilter = Omit<EventFilter, "tenantId">;

/** Events of the caller's tenant after `after`, oldest first. */
export async function listEvents(
  deps: Pick<Deps, "database">,
  principal: Principal,
  filter: OwnEventFilter,
  page: { readonly after: EventCursor; readonly limit: number },
): Promise<EventPage> {
  const own = { ...filter, tenantId: principal.tenantId };
  return deps.database.readers.events.list(own, page.after, page.limit);
}

/** Every event after `after`, then what comes; `""` means only what comes. */
export async function* watchEvents(
  deps: Pick<Deps, "database" | "signals" | "settings">,
  principal: Principal,
  { filter, after }: { readonly filter: OwnEventFilter; readonly after: EventCursor },
  stop: StopSignal,
): AsyncGenerator<StoredEvent> {
  const wakeup = deps.signals.subscribe(["events"]);
  try {
    let cursor = after === "" ? await deps.database.readers.events.latestCursor() : after;
    while (!stop.aborted) {
      const page = { after: cursor, limit: WATCH_PAGE_COUNT };
      const { events, nextCursor } = await listEvents(deps, principal, filter, page);
      yield* events;
      const read = nextCursor !== cursor;
      cursor = nextCursor;
      if (!read) await wakeup.wait(deps.settings.pollIntervalMs, stop);
    }
  } finally {
    wakeup.close();
  }
}

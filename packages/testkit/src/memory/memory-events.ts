import {
  type EventCursor,
  type EventFilter,
  type EventPage,
  type EventReader,
  type EventRecord,
  PlatformError,
  type StoredEvent,
} from "@hodei/domain";
import type { Tables } from "./tables.ts";

/** Wide enough for every safe integer, so that cursors grow as text too. */
const CURSOR_DIGITS = 16;

/** A cursor is the number of events up to and with the one it names. */
export class MemoryEventReader implements EventReader {
  readonly #tables: Tables;

  constructor(tables: Tables) {
    this.#tables = tables;
  }

  async list(filter: EventFilter, after: EventCursor, limit: number): Promise<EventPage> {
    const { events } = this.#tables;
    const found: StoredEvent[] = [];
    let position = toPosition(after);
    while (position < events.length && found.length < limit) {
      const event = events[position];
      position += 1;
      if (event !== undefined && passes(filter, event)) {
        found.push({ ...event, cursor: toCursor(position) });
      }
    }
    return { events: found, nextCursor: toCursor(position) };
  }

  async latestCursor(): Promise<EventCursor> {
    return toCursor(this.#tables.events.length);
  }
}

function passes({ tenantId, subjectId, types = [] }: EventFilter, event: EventRecord): boolean {
  return (
    (tenantId === null || event.tenantId === tenantId) &&
    (subjectId === undefined || event.subjectId === subjectId) &&
    (types.length === 0 || types.includes(event.type))
  );
}

function toCursor(position: number): EventCursor {
  return position === 0 ? "" : String(position).padStart(CURSOR_DIGITS, "0");
}

function toPosition(cursor: EventCursor): number {
  if (!/^\d*$/.test(cursor)) {
    throw new PlatformError(
      "invalid_argument",
      "malformed_cursor",
      "the cursor is not one that an event came with; start without one",
    );
  }
  return Number(cursor);
}

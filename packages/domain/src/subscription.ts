import type { Random } from "./clock.ts";
import type { EventCursor, StoredEvent } from "./events.ts";
import type { ReplicaId, TenantId } from "./ids.ts";
import type { Page, PageRequest } from "./stores.ts";

/** Where a named subscription stands, and who delivers for it. */
export interface SubscriptionState {
  readonly name: string;
  /** Every event up to here was delivered, or is kept as undelivered. `null`: nobody has delivered yet. */
  readonly cursor: EventCursor | null;
  /** The one replica that delivers, until `heldUntil`; both `null` when nobody does. */
  readonly holder: ReplicaId | null;
  readonly heldUntil: Date | null;
}

/** An event that the cursor of a subscription has passed without its having been delivered. */
export interface UndeliveredEvent {
  readonly subscription: string;
  readonly event: StoredEvent;
  /** Failed tries; 0 while it waits behind an earlier event of its subject. */
  readonly failures: number;
  /** What the last try failed with; `""` before the first. */
  readonly error: string;
  readonly nextTryAt: Date;
  /** When it was given up and became a dead letter: it is tried again when somebody says so. */
  readonly deadAt: Date | null;
}

/** Names one dead letter. */
export interface DeadLetterKey {
  readonly subscription: string;
  readonly cursor: EventCursor;
}

/** Tries before an event is given up; with the pauses between them a little more than an hour. */
export const DELIVERY_TRIES_MAX = 15;
/** Pause after the first failed try; doubles with each. */
const PAUSE_MIN_MS = 1_000;
const PAUSE_MAX_MS = 600_000;
/** What is kept of an error, in characters. */
const ERROR_LENGTH_MAX = 500;

/** The event after a try that failed. Pauses are drawn from their upper half, so that many failed ones spread. */
export function afterFailure(
  undelivered: UndeliveredEvent,
  error: string,
  { now, random }: { readonly now: Date; readonly random: Random },
): UndeliveredEvent {
  const failures = undelivered.failures + 1;
  const pauseMs = Math.min(PAUSE_MAX_MS, PAUSE_MIN_MS * 2 ** (failures - 1)) * (1 + random()) * 0.5;
  return {
    ...undelivered,
    failures,
    error: error.slice(0, ERROR_LENGTH_MAX),
    nextTryAt: new Date(now.getTime() + pauseMs),
    deadAt: failures >= DELIVERY_TRIES_MAX ? now : null,
  };
}

export interface SubscriptionReader {
  /** Undelivered events that were not given up, in the order of their cursors. */
  listWaiting(name: string, limit: number): Promise<readonly UndeliveredEvent[]>;
  /** Events of the tenant that were given up, in the order of their cursors. */
  listDead(tenantId: TenantId, page: PageRequest): Promise<Page<UndeliveredEvent>>;
  /** Of all tenants. */
  countDead(name: string): Promise<number>;
}

export interface SubscriptionStore extends SubscriptionReader {
  /** The subscription, held until the transaction ends; a new one has no cursor yet. */
  lock(name: string): Promise<SubscriptionState>;
  save(state: SubscriptionState): Promise<void>;
  /** Stores each, in the place of what was stored for its event before. */
  saveUndelivered(events: readonly UndeliveredEvent[]): Promise<void>;
  removeUndelivered(name: string, cursors: readonly EventCursor[]): Promise<void>;
  /** Lets dead letters of the tenant be tried anew from `now` on; `null`: all. Returns how many there were. */
  replayDead(tenantId: TenantId, keys: readonly DeadLetterKey[] | null, now: Date): Promise<number>;
  /** Forgets dead letters of the tenant; `null`: all. Returns how many there were. */
  discardDead(tenantId: TenantId, keys: readonly DeadLetterKey[] | null): Promise<number>;
}

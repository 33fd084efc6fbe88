import {
  afterFailure,
  type Component,
  DELIVERY_TRIES_MAX,
  type EventCursor,
  type StopSignal,
  type StoredEvent,
  type SubscriptionState,
  type SubscriptionStore,
  type UndeliveredEvent,
} from "@hodei/domain";
import type { Deps } from "./deps.ts";
import { Reconciler } from "./reconciler.ts";

/** How long a replica delivers without renewing its claim; as long at most until another takes over when it dies. */
const HOLD_MS = 20_000;
/** Within one turn no delivery begins later than this: with its own time-out it ends before the claim does. */
const BEGIN_WITHIN_MS = 8_000;
/** Longest that one delivery may take. */
export const DELIVERY_TIMEOUT_MS = 10_000;
/** Longest that the deliveries of one turn take. */
const TURN_MS_MAX = BEGIN_WITHIN_MS + DELIVERY_TIMEOUT_MS;
/** New events that one turn takes. */
const PAGE_COUNT = 200;
/** Deliveries under way at once, each for another subject. */
const CONCURRENCY_COUNT = 8;
/** Events that wait for another try. At the bound nothing new is read until some were delivered or given up. */
const WAITING_COUNT_MAX = 1_000;
/** Dead letters of one subscription. At the bound nothing more is given up: it is tried on and on. */
const DEAD_COUNT_MAX = 10_000;

/** Somebody outside who is told of events of all tenants. */
export interface Subscription {
  /** Key of what is stored: never rename. */
  readonly name: string;
  /** Empty: every type. */
  readonly types: readonly string[];
  /**
   * Delivers one event within `DELIVERY_TIMEOUT_MS`; whatever it throws means that it has to be tried again. Gives up
   * when `stop` is aborted.
   */
  deliver(event: StoredEvent, stop: StopSignal): Promise<void>;
}

/** Delivers to `subscription` on this replica while no other does. */
export function deliveryLoop(
  deps: DeliveryDeps & Pick<Deps, "signals" | "settings">,
  subscription: Subscription,
): Component {
  const delivery = new EventDelivery(deps, subscription);
  const loop = new Reconciler(deps, {
    name: `deliver-events/${subscription.name}`,
    topics: ["events"],
    intervalMs: deps.settings.pollIntervalMs,
    enabled: () => true,
    run: () => delivery.run(),
  });
  const stop = async () => {
    delivery.interrupt();
    await loop.stop();
    await delivery.release().catch((error: unknown) => {
      // Another replica takes over all the same, when the claim runs out.
      deps.log.warn("subscription_not_released", { subscription: subscription.name, error });
    });
  };
  return { start: () => loop.start(), stop };
}

type DeliveryDeps = Pick<Deps, "database" | "clock" | "random" | "replicaId" | "log">;

interface Claim {
  readonly cursor: EventCursor;
  readonly heldUntil: Date;
}

/** What one turn makes of the events that it took. */
interface Outcome {
  readonly delivered: UndeliveredEvent[];
  /** To be stored as they are now. */
  readonly kept: UndeliveredEvent[];
}

/**
 * Delivers events to one subscription, at least once each, those of one subject in the order of their versions. While one
 * is tried again the later ones of its subject wait; others do not. One that is given up becomes a dead letter and holds
 * up nobody: its subject goes on without it. One replica at a time delivers. A new subscription begins with what comes.
 */
export class EventDelivery {
  readonly #deps: DeliveryDeps;
  readonly #subscription: Subscription;
  readonly #stop = new AbortController();
  /** What is ours as far as we know. Its cursor may be ahead of the stored one, by events that do not concern us. */
  #held: Claim | undefined;

  constructor(deps: DeliveryDeps, subscription: Subscription) {
    this.#deps = deps;
    this.#subscription = subscription;
  }

  /** One turn. Returns when the next is due because of what it left. */
  async run(): Promise<Date | undefined> {
    const { database, clock } = this.#deps;
    const { name, types } = this.#subscription;
    const begunAt = clock.now();
    const held = await this.#hold(begunAt);
    if (held === undefined) return undefined;
    const { subscriptions, events } = database.readers;
    const waiting = await subscriptions.listWaiting(name, WAITING_COUNT_MAX);
    const page =
      waiting.length < WAITING_COUNT_MAX
        ? await events.list({ tenantId: null, types }, held.cursor, PAGE_COUNT)
        : { events: [], nextCursor: held.cursor };
    const fresh = page.events.map((event) => this.#undelivered(event, begunAt));
    const queues = bySubject([...waiting, ...fresh]);
    const outcome = await this.#deliver(queues, begunAt);
    await this.#store(outcome, fresh, page.nextCursor);
    return page.events.length === PAGE_COUNT ? clock.now() : earliestTry([...queues.values()]);
  }

  /** Ends the deliveries that are under way; they count as not begun. */
  interrupt(): void {
    this.#stop.abort();
  }

  /** Lets another replica take over at once. */
  async release(): Promise<void> {
    const held = this.#held;
    if (held === undefined) return;
    this.#held = undefined;
    await this.#change((state) => ({
      ...state,
      cursor: held.cursor,
      holder: null,
      heldUntil: null,
    }));
  }

  /** Our claim, renewed when a turn could outlast it; `undefined` while another replica has it. */
  async #hold(now: Date): Promise<Claim | undefined> {
    const held = this.#held;
    if (held !== undefined && held.heldUntil.getTime() - now.getTime() > TURN_MS_MAX) return held;
    const { database, replicaId } = this.#deps;
    this.#held = await database.transact(async ({ subscriptions, events }) => {
      const stored = await subscriptions.lock(this.#subscription.name);
      const isOurs = stored.holder === replicaId;
      if (!isOurs && stored.heldUntil !== null && stored.heldUntil > now) return undefined;
      const known = isOurs && held !== undefined ? held.cursor : stored.cursor;
      const cursor = known ?? (await events.latestCursor());
      const heldUntil = new Date(now.getTime() + HOLD_MS);
      await subscriptions.save({ ...stored, cursor, holder: replicaId, heldUntil });
      return { cursor, heldUntil };
    });
    return this.#held;
  }

  #undelivered(event: StoredEvent, now: Date): UndeliveredEvent {
    const subscription = this.#subscription.name;
    return { subscription, event, failures: 0, error: "", nextTryAt: now, deadAt: null };
  }

  /** Takes from the front of each queue what is done with: afterwards they hold what waits. */
  async #deliver(queues: ReadonlyMap<string, UndeliveredEvent[]>, begunAt: Date): Promise<Outcome> {
    const outcome: Outcome = { delivered: [], kept: [] };
    const last = begunAt.getTime() + BEGIN_WITHIN_MS;
    const rest = [...queues.values()].values();
    const line = async () => {
      for (const queue of rest) await this.#deliverQueue(queue, last, outcome);
    };
    await Promise.all(Array.from({ length: CONCURRENCY_COUNT }, line));
    return outcome;
  }

  async #deliverQueue(queue: UndeliveredEvent[], lastMs: number, outcome: Outcome): Promise<void> {
    for (;;) {
      const [first] = queue;
      const now = this.#deps.clock.now();
      if (first === undefined || first.nextTryAt > now || now.getTime() > lastMs) return;
      if (this.#stop.signal.aborted) return;
      const failed = await this.#tryOnce(first);
      if (failed === undefined) {
        outcome.delivered.push(first);
      } else {
        outcome.kept.push(failed);
        if (failed.deadAt === null) {
          queue[0] = failed;
          return;
        }
      }
      queue.shift();
    }
  }

  /** The event as it failed, or `undefined` if it was delivered. */
  async #tryOnce(undelivered: UndeliveredEvent): Promise<UndeliveredEvent | undefined> {
    const { clock, random, database, log } = this.#deps;
    try {
      await this.#subscription.deliver(undelivered.event, this.#stop.signal);
      return undefined;
    } catch (error) {
      if (this.#stop.signal.aborted) return undelivered;
      const message = error instanceof Error ? error.message : String(error);
      const failed = afterFailure(undelivered, message, { now: clock.now(), random });
      if (failed.deadAt === null) return failed;
      const { name } = this.#subscription;
      const deadCount = await database.readers.subscriptions.countDead(name);
      if (deadCount >= DEAD_COUNT_MAX) {
        return { ...failed, failures: DELIVERY_TRIES_MAX - 1, deadAt: null };
      }
      const { cursor, type, subjectId } = undelivered.event;
      log.warn("event_given_up", { subscription: name, cursor, type, subjectId, error: message });
      return failed;
    }
  }

  /** Nothing is stored if another replica has taken over: it delivers the same events again. */
  async #store(
    { delivered, kept }: Outcome,
    fresh: readonly UndeliveredEvent[],
    cursor: EventCursor,
  ): Promise<void> {
    if (this.#held !== undefined) this.#held = { ...this.#held, cursor };
    if (delivered.length === 0 && kept.length === 0 && fresh.length === 0) return;
    const done = new Set(delivered.map(({ event }) => event.cursor));
    const changed = new Set(kept.map(({ event }) => event.cursor));
    const behind = fresh.filter(
      ({ event }) => !done.has(event.cursor) && !changed.has(event.cursor),
    );
    const isOurs = await this.#change(
      (state) => ({ ...state, cursor }),
      async (subscriptions) => {
        await subscriptions.saveUndelivered([...kept, ...behind]);
        await subscriptions.removeUndelivered(this.#subscription.name, [...done]);
      },
    );
    if (isOurs) return;
    this.#held = undefined;
    this.#deps.log.warn("subscription_taken_over", { subscription: this.#subscription.name });
  }

  /** Changes what is stored if we hold it; false if we do not. */
  #change(
    next: (state: SubscriptionState) => SubscriptionState,
    besides: (stores: SubscriptionStore) => Promise<void> = async () => undefined,
  ): Promise<boolean> {
    const { database, replicaId } = this.#deps;
    return database.transact(async ({ subscriptions }) => {
      const stored = await subscriptions.lock(this.#subscription.name);
      if (stored.holder !== replicaId) return false;
      await subscriptions.save(next(stored));
      await besides(subscriptions);
      return true;
    });
  }
}

/** One queue for each subject, in the order in which the events came. */
function bySubject(events: readonly UndeliveredEvent[]): Map<string, UndeliveredEvent[]> {
  const queues = new Map<string, UndeliveredEvent[]>();
  for (const undelivered of events) {
    const { tenantId, subjectType, subjectId } = undelivered.event;
    const key = JSON.stringify([tenantId, subjectType, subjectId]);
    const queue = queues.get(key);
    if (queue === undefined) queues.set(key, [undelivered]);
    else queue.push(undelivered);
  }
  return queues;
}

function earliestTry(queues: readonly (readonly UndeliveredEvent[])[]): Date | undefined {
  const times = queues.flatMap(([first]) =>
    first === undefined ? [] : [first.nextTryAt.getTime()],
  );
  return times.length === 0 ? undefined : new Date(Math.min(...times));
}

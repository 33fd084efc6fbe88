import type {
  DeadLetterKey,
  EventCursor,
  Page,
  PageRequest,
  SubscriptionReader,
  SubscriptionState,
  SubscriptionStore,
  TenantId,
  UndeliveredEvent,
} from "@hodei/domain";
import { compareText } from "./pages.ts";
import type { DraftTables, Tables } from "./tables.ts";

export class MemorySubscriptionReader implements SubscriptionReader {
  readonly #tables: Tables;

  constructor(tables: Tables) {
    this.#tables = tables;
  }

  async listWaiting(name: string, limit: number): Promise<readonly UndeliveredEvent[]> {
    return this.#inOrder()
      .filter(({ subscription, deadAt }) => subscription === name && deadAt === null)
      .slice(0, limit);
  }

  async listDead(
    tenantId: TenantId,
    { limit, token }: PageRequest,
  ): Promise<Page<UndeliveredEvent>> {
    const rest = this.#inOrder().filter(
      ({ event, subscription, deadAt }) =>
        event.tenantId === tenantId &&
        deadAt !== null &&
        compareText(`${event.cursor} ${subscription}`, token ?? "") > 0,
    );
    const last = rest.length > limit ? rest[limit - 1] : undefined;
    return {
      items: rest.slice(0, limit),
      nextToken: last === undefined ? null : `${last.event.cursor} ${last.subscription}`,
    };
  }

  async countDead(name: string): Promise<number> {
    return this.#inOrder().filter((one) => one.subscription === name && one.deadAt !== null).length;
  }

  #inOrder(): UndeliveredEvent[] {
    return [...this.#tables.undelivered.values()].toSorted((a, b) =>
      compareText(`${a.event.cursor} ${a.subscription}`, `${b.event.cursor} ${b.subscription}`),
    );
  }
}

/** Transactions run one after another, so no other one ever holds a subscription. */
export class MemorySubscriptionStore extends MemorySubscriptionReader implements SubscriptionStore {
  readonly #draft: DraftTables;

  constructor(draft: DraftTables) {
    super(draft);
    this.#draft = draft;
  }

  async lock(name: string): Promise<SubscriptionState> {
    this.#draft.ensureOpen();
    const stored = this.#draft.subscriptions.get(name);
    return stored ?? { name, cursor: null, holder: null, heldUntil: null };
  }

  async save(state: SubscriptionState): Promise<void> {
    this.#draft.ensureOpen();
    this.#draft.subscriptions.set(state.name, state);
  }

  async saveUndelivered(events: readonly UndeliveredEvent[]): Promise<void> {
    this.#draft.ensureOpen();
    for (const undelivered of events) {
      const key = { subscription: undelivered.subscription, cursor: undelivered.event.cursor };
      this.#draft.undelivered.set(keyOf(key), undelivered);
    }
  }

  async removeUndelivered(name: string, cursors: readonly EventCursor[]): Promise<void> {
    this.#draft.ensureOpen();
    for (const cursor of cursors) {
      this.#draft.undelivered.delete(keyOf({ subscription: name, cursor }));
    }
  }

  async replayDead(
    tenantId: TenantId,
    keys: readonly DeadLetterKey[] | null,
    now: Date,
  ): Promise<number> {
    const chosen = await this.#chosen(tenantId, keys);
    await this.saveUndelivered(
      chosen.map((dead) => ({ ...dead, failures: 0, nextTryAt: now, deadAt: null })),
    );
    return chosen.length;
  }

  async discardDead(tenantId: TenantId, keys: readonly DeadLetterKey[] | null): Promise<number> {
    const chosen = await this.#chosen(tenantId, keys);
    for (const { subscription, event } of chosen) {
      await this.removeUndelivered(subscription, [event.cursor]);
    }
    return chosen.length;
  }

  async #chosen(
    tenantId: TenantId,
    keys: readonly DeadLetterKey[] | null,
  ): Promise<readonly UndeliveredEvent[]> {
    const page = { limit: Number.POSITIVE_INFINITY, token: null };
    const wanted = keys === null ? null : new Set(keys.map(keyOf));
    return (await this.listDead(tenantId, page)).items.filter(
      ({ subscription, event: { cursor } }) => wanted?.has(keyOf({ subscription, cursor })) ?? true,
    );
  }
}

const keyOf = ({ subscription, cursor }: DeadLetterKey): string => `${subscription} ${cursor}`;

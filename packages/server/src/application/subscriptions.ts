import type { StoredEvent } from "@hodei/domain";
import type { Deps } from "./deps.ts";

/** Events handed to a subscription in one transaction. */
const DELIVERY_COUNT = 200;

/**
 * A named cursor over the events of all tenants, and what to do with them. Delivery is at least once; the cursor moves
 * in the transaction that follows `handle`, and one replica at a time delivers.
 */
export interface Subscription {
  /** Key of the stored cursor: never rename. */
  readonly name: string;
  readonly types: readonly string[];
  handle(events: readonly StoredEvent[]): Promise<void>;
}

/** Hands nothing on: the loops re-read state, so a lost or repeated wake-up only changes latency. */
export function wakeLoops({ signals }: Pick<Deps, "signals">): Subscription {
  return {
    name: "wake-loops",
    types: [
      "job.created",
      "job.lease_expired",
      "job.retry_scheduled",
      "job.cancel_requested",
      "worker.connected",
      "worker.lost",
      "worker.terminated",
    ],
    handle: async (events) => {
      if (events.some(({ subjectType }) => subjectType === "job")) {
        signals.notify("due");
        signals.notify("held");
      }
      if (events.some(({ subjectType }) => subjectType === "worker")) signals.notify("workers");
    },
  };
}

/** One turn: delivers what is new to `subscription`. Wants its next turn at once while there is more. */
export async function deliver(
  deps: Pick<Deps, "database" | "clock">,
  subscription: Subscription,
): Promise<Date | undefined> {
  const { name, types, handle } = subscription;
  const more = await deps.database.transact(async ({ subscriptions, events }) => {
    const cursor = await subscriptions.lock(name);
    if (cursor === undefined) return false;
    const page = await events.list({ tenantId: null, types }, cursor, DELIVERY_COUNT);
    if (page.nextCursor === cursor) return false;
    if (page.events.length > 0) await handle(page.events);
    await subscriptions.advance(name, page.nextCursor);
    return page.events.length === DELIVERY_COUNT;
  });
  return more ? deps.clock.now() : undefined;
}

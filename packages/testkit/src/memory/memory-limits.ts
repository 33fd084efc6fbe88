import {
  type Job,
  type KeyHolder,
  keyText,
  type LimitKey,
  type LimitReader,
  type LimitStore,
  type RateStart,
  type TenantId,
} from "@hodei/domain";
import { compareText } from "./pages.ts";
import type { DraftTables, Tables } from "./tables.ts";

export class MemoryLimitReader implements LimitReader {
  readonly #tables: Tables;

  constructor(tables: Tables) {
    this.#tables = tables;
  }

  async listHolders(keys: readonly LimitKey[]): Promise<readonly KeyHolder[]> {
    const wanted = new Set(keys.map(keyText));
    return this.#unfinished()
      .filter(({ lease }) => lease !== null)
      .flatMap(({ id, tenantId, policy: { concurrency } }) =>
        concurrency === null ? [] : [{ tenantId, key: concurrency.key, jobId: id }],
      )
      .filter((holder) => wanted.has(keyText(holder)));
  }

  async listUnfinished({ tenantId, key }: LimitKey): Promise<readonly Job[]> {
    return this.#unfinished().filter(
      (job) => job.tenantId === tenantId && job.policy.concurrency?.key === key,
    );
  }

  async listStarts(keys: readonly LimitKey[], now: Date): Promise<readonly RateStart[]> {
    return [...new Set(keys.map(keyText))]
      .flatMap((key) => this.#tables.rateStarts.get(key) ?? [])
      .filter(({ countsUntil }) => countsUntil > now);
  }

  async countHeld(tenantIds: readonly TenantId[]): Promise<ReadonlyMap<TenantId, number>> {
    const held = this.#unfinished().filter(
      ({ lease, tenantId }) => lease !== null && tenantIds.includes(tenantId),
    );
    const byTenant = Map.groupBy(held, ({ tenantId }) => tenantId);
    return new Map([...byTenant].map(([tenantId, jobs]) => [tenantId, jobs.length]));
  }

  /** Oldest first. */
  #unfinished(): Job[] {
    return [...this.#tables.unfinishedJobs.values()]
      .map(({ job }) => job)
      .toSorted((a, b) => a.createdAt.getTime() - b.createdAt.getTime() || compareText(a.id, b.id));
  }
}

export class MemoryLimitStore extends MemoryLimitReader implements LimitStore {
  readonly #draft: DraftTables;

  constructor(draft: DraftTables) {
    super(draft);
    this.#draft = draft;
  }

  /** Transactions run one after another: there is nobody to wait for. */
  async lock(): Promise<void> {
    this.#draft.ensureOpen();
  }

  async addStarts(starts: readonly RateStart[], now: Date): Promise<void> {
    this.#draft.ensureOpen();
    for (const start of starts) {
      const key = keyText(start);
      const others = (this.#draft.rateStarts.get(key) ?? []).filter(
        ({ countsUntil }) => countsUntil > now,
      );
      this.#draft.rateStarts.set(key, [...others, start]);
    }
  }
}

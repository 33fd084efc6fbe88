import {
  type Cause,
  type Page,
  type PageRequest,
  PlatformError,
  type TenantId,
  type Worker,
  type WorkerEvent,
  type WorkerId,
  type WorkerReader,
  type WorkerState,
  type WorkerStore,
  workerEventRecords,
} from "@hodei/domain";
import { newestFirst } from "./pages.ts";
import type { DraftTables, Tables } from "./tables.ts";

export class MemoryWorkerReader implements WorkerReader {
  readonly #tables: Tables;

  constructor(tables: Tables) {
    this.#tables = tables;
  }

  async get(id: WorkerId): Promise<Worker> {
    const worker = this.#tables.workers.get(id);
    if (worker === undefined) {
      throw new PlatformError("not_found", "worker_not_found", `no worker ${id}`);
    }
    return worker;
  }

  async find(id: WorkerId): Promise<Worker | undefined> {
    return this.#tables.workers.get(id);
  }

  async list(
    filter: { readonly tenantId: TenantId; readonly states: readonly WorkerState[] },
    page: PageRequest,
  ): Promise<Page<Worker>> {
    const { tenantId, states } = filter;
    const workers = [...this.#tables.workers.values()].filter(
      (worker) =>
        worker.tenantId === tenantId && (states.length === 0 || states.includes(worker.state)),
    );
    return newestFirst(workers, page);
  }

  async listLive(): Promise<readonly Worker[]> {
    return [...this.#tables.workers.values()].filter(({ state }) => state !== "terminated");
  }

  async findLive(ids: readonly WorkerId[]): Promise<readonly Worker[]> {
    return (await this.listLive()).filter(({ id }) => ids.includes(id));
  }

  async listNewest(
    { name, provider }: { readonly name: string; readonly provider: string },
    limit: number,
  ): Promise<readonly Worker[]> {
    const workers = [...this.#tables.workers.values()].filter(
      (worker) => worker.pool === name && worker.provider === provider,
    );
    return newestFirst(workers, { limit, token: null }).items;
  }
}

export class MemoryWorkerStore extends MemoryWorkerReader implements WorkerStore {
  readonly #draft: DraftTables;

  constructor(draft: DraftTables) {
    super(draft);
    this.#draft = draft;
  }

  lock(id: WorkerId): Promise<Worker> {
    return this.get(id);
  }

  async lockAll(ids: readonly WorkerId[]): Promise<readonly Worker[]> {
    return ids.flatMap((id) => this.#draft.workers.get(id) ?? []);
  }

  async insert(worker: Worker, causedBy: Cause): Promise<void> {
    this.#draft.ensureOpen();
    if (this.#draft.workers.get(worker.id) !== undefined) {
      throw new PlatformError("internal", "duplicate_key", `worker ${worker.id} is stored already`);
    }
    this.#draft.workers.set(worker.id, worker);
    const created: WorkerEvent = { type: "created", at: worker.createdAt, causedBy };
    this.#draft.newEvents.push(...workerEventRecords(worker, [created]));
  }

  async update(worker: Worker, events: readonly WorkerEvent[]): Promise<Worker> {
    this.#draft.ensureOpen();
    if (this.#draft.workers.get(worker.id)?.version !== worker.version) {
      throw new PlatformError(
        "conflict",
        "stale_version",
        `worker ${worker.id} is not at version ${worker.version} any more`,
      );
    }
    const stored = { ...worker, version: worker.version + 1 };
    this.#draft.workers.set(worker.id, stored);
    this.#draft.newEvents.push(...workerEventRecords(stored, events));
    return stored;
  }
}

import type {
  Awaited,
  DependencyReader,
  DependencyStore,
  JobId,
  JudgedDependency,
} from "@hodei/domain";
import { findJobRow } from "./memory-jobs.ts";
import { compareText } from "./pages.ts";
import type { DraftTables, Tables } from "./tables.ts";

export class MemoryDependencyReader implements DependencyReader {
  readonly #tables: Tables;

  constructor(tables: Tables) {
    this.#tables = tables;
  }

  async listSettled(ended: readonly JobId[] | Date, limit: number): Promise<readonly JobId[]> {
    const settled = this.#judged().filter(({ afterId }) => this.#hasEnded(afterId, ended));
    return [...new Set(settled.map(({ jobId }) => jobId))].slice(0, limit);
  }

  async listOf(jobIds: readonly JobId[]): Promise<readonly JudgedDependency[]> {
    return this.#judged()
      .filter(({ jobId }) => jobIds.includes(jobId))
      .toSorted((a, b) => compareText(a.jobId, b.jobId) || compareText(a.afterId, b.afterId));
  }

  #hasEnded(id: JobId, ended: readonly JobId[] | Date): boolean {
    const finishedAt = findJobRow(this.#tables, id)?.job.finishedAt ?? null;
    if (finishedAt === null) return false;
    return ended instanceof Date ? finishedAt >= ended : ended.includes(id);
  }

  #judged(): JudgedDependency[] {
    return [...this.#tables.dependencies.values()].flatMap((dependency) => {
      const row = findJobRow(this.#tables, dependency.afterId);
      return row === undefined ? [] : [{ ...dependency, afterState: row.job.state }];
    });
  }
}

export class MemoryDependencyStore extends MemoryDependencyReader implements DependencyStore {
  readonly #draft: DraftTables;

  constructor(draft: DraftTables) {
    super(draft);
    this.#draft = draft;
  }

  async insert(dependencies: readonly Awaited[]): Promise<void> {
    this.#draft.ensureOpen();
    for (const dependency of dependencies) {
      this.#draft.dependencies.set(keyOf(dependency), dependency);
    }
  }

  async remove(dependencies: readonly Awaited[]): Promise<void> {
    this.#draft.ensureOpen();
    for (const dependency of dependencies) this.#draft.dependencies.delete(keyOf(dependency));
  }
}

const keyOf = ({ jobId, afterId }: Awaited): string => `${jobId}/${afterId}`;

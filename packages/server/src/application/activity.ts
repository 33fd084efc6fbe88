import type { WorkerId } from "@hodei/domain";

/**
 * When this replica last gave each worker an attempt. In memory: a leader that has just taken over knows of none, so
 * workers count as idle only from then on.
 */
export class Activity {
  readonly #assignedAt = new Map<WorkerId, Date>();

  /** `workerIds` in the order in which they were given attempts. */
  note(workerIds: Iterable<WorkerId>, at: Date): void {
    for (const id of workerIds) {
      this.#assignedAt.delete(id);
      this.#assignedAt.set(id, at);
    }
  }

  /** The workers that it knows of, the one that was given an attempt last at the end. */
  get order(): readonly WorkerId[] {
    return [...this.#assignedAt.keys()];
  }

  lastOf(id: WorkerId): Date | undefined {
    return this.#assignedAt.get(id);
  }

  /** Forgets all workers but these. */
  keep(ids: ReadonlySet<WorkerId>): void {
    for (const id of this.#assignedAt.keys()) if (!ids.has(id)) this.#assignedAt.delete(id);
  }
}

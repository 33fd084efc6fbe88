import type { ReplicaId } from "@hodei/domain";

/**
 * The lock behind leadership, as the database keeps it: at most one holder. A holder that loses it learns of that a little
 * later, so for that moment two replicas may think that they lead.
 */
export class LeaderLock {
  #holder: ReplicaId | undefined;

  get holder(): ReplicaId | undefined {
    return this.#holder;
  }

  /** Whether `id` holds it now. */
  acquire(id: ReplicaId): boolean {
    this.#holder ??= id;
    return this.#holder === id;
  }

  /** The holder's connection has ended. Anybody else's has no effect. */
  release(id: ReplicaId): void {
    if (this.#holder === id) this.#holder = undefined;
  }
}

import type { VirtualClock } from "./virtual-clock.ts";

/** Something that holds for a while. Periods may overlap. */
export class Condition {
  readonly #clock: VirtualClock;
  #periods = 0;

  constructor(clock: VirtualClock) {
    this.#clock = clock;
  }

  get holds(): boolean {
    return this.#periods > 0;
  }

  holdFor(ms: number): void {
    this.#periods += 1;
    this.#clock.schedule(ms, () => {
      this.#periods -= 1;
    });
  }
}

/** What is wrong with the surroundings of all replicas. Who would suffer from it asks here. */
export interface Conditions {
  /** Nobody reaches the database. */
  readonly databaseDown: Condition;
  /** Commits happen, but some of their answers do not arrive. */
  readonly answersLost: Condition;
  /** Some notifications between replicas do not arrive. */
  readonly notificationsLost: Condition;
  /** Some transactions are rolled back at their end and run again, as after a deadlock. */
  readonly transactionsRepeated: Condition;
}

export function createConditions(clock: VirtualClock): Conditions {
  return {
    databaseDown: new Condition(clock),
    answersLost: new Condition(clock),
    notificationsLost: new Condition(clock),
    transactionsRepeated: new Condition(clock),
  };
}

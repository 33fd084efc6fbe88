import {
  type Database,
  type InsertedJob,
  type Job,
  type JobChange,
  type LogStore,
  type NewJob,
  PlatformError,
  type Provider,
  type Readers,
  type Stores,
} from "@hodei/domain";
import { type Around, aroundCalls } from "./around-calls.ts";
import { Condition, type Conditions } from "./conditions.ts";
import type { RandomStream } from "./random.ts";
import type { VirtualClock } from "./virtual-clock.ts";

/** Share of what is lost or repeated while the condition holds. */
const LOST_ANSWER_PROBABILITY = 0.3;
const REPEAT_PROBABILITY = 0.5;
/** Most calls take a few milliseconds; some are slow. */
const QUICK_MS = 4;
const SLOW_MS = 500;
const SLOW_PROBABILITY = 0.02;

export interface DatabaseLinkParts {
  readonly clock: VirtualClock;
  readonly random: RandomStream;
  readonly conditions: Conditions;
  /** The database and log store that all replicas share. */
  readonly database: Database;
  readonly logs: LogStore;
  /** Called in the turn in which a transaction of this link commits, before its commit listeners. */
  readonly onCommitting: () => void;
}

/**
 * One replica's way to everything outside of it: calls take time, fail while the way is cut, and fail for ever once the
 * replica has died, in the middle of a transaction too.
 */
export class DatabaseLink implements Database {
  readonly readers: Readers;
  readonly logs: LogStore;
  readonly cutOff: Condition;
  readonly #parts: DatabaseLinkParts;
  #isSevered = false;
  #arriving: Promise<void> = Promise.resolve();

  constructor(parts: DatabaseLinkParts) {
    this.#parts = parts;
    this.cutOff = new Condition(parts.clock);
    const { readers } = parts.database;
    const remote: Around = async (call) => {
      await this.#travel();
      return call();
    };
    this.readers = {
      jobs: aroundCalls(readers.jobs, remote),
      attempts: aroundCalls(readers.attempts, remote),
      workers: aroundCalls(readers.workers, remote),
      replicas: aroundCalls(readers.replicas, remote),
      limits: aroundCalls(readers.limits, remote),
      dependencies: aroundCalls(readers.dependencies, remote),
      events: aroundCalls(readers.events, remote),
      subscriptions: aroundCalls(readers.subscriptions, remote),
    };
    const logs = aroundCalls(parts.logs, async (call) => {
      await this.#travel();
      return this.#answer(await call());
    });
    const { append } = aroundCalls(parts.logs, async (call) => {
      await this.#arriveInOrder();
      return this.#answer(await call());
    });
    this.logs = {
      append,
      read: (range) => logs.read(range),
      durableOffset: (jobId, attempt) => logs.durableOffset(jobId, attempt),
      findPlace: (query) => logs.findPlace(query),
    };
  }

  /** Whether calls get through now. */
  get isUp(): boolean {
    return !this.#isSevered && !this.cutOff.holds && !this.#parts.conditions.databaseDown.holds;
  }

  /** The replica is dead: nothing that it still tries has an effect from now on. */
  sever(): void {
    this.#isSevered = true;
  }

  /** `provider` as this replica reaches it: by another way than the database. */
  reach(provider: Provider): Provider {
    const around: Around = async (call) => {
      await this.#parts.clock.sleep(this.#parts.random.integer(1, QUICK_MS));
      this.#checkAlive();
      const result = await call();
      await this.#parts.clock.sleep(this.#parts.random.integer(1, QUICK_MS));
      this.#checkAlive();
      return result;
    };
    return aroundCalls(provider, around);
  }

  async transact<T>(work: (stores: Stores) => Promise<T>): Promise<T> {
    const { database, conditions, random, onCommitting } = this.#parts;
    await this.#travel();
    if (conditions.transactionsRepeated.holds && random.chance(REPEAT_PROBABILITY)) {
      await this.#runAndRollBack(work);
    }
    const result = await database.transact(async (stores) => {
      const worked = await work(this.#guard(stores));
      await this.#travel();
      onCommitting();
      return worked;
    });
    return this.#answer(result);
  }

  async insertJobs(jobs: readonly NewJob[]): Promise<readonly InsertedJob[]> {
    await this.#travel();
    return this.#answer(await this.#parts.database.insertJobs(jobs));
  }

  async changeJob(change: JobChange): Promise<Job | undefined> {
    await this.#travel();
    return this.#answer(await this.#parts.database.changeJob(change));
  }

  /** As `#travel`, but not before what set out earlier: appends to logs keep their order. */
  #arriveInOrder(): Promise<void> {
    const arrival = this.#arriving.then(() => this.#travel());
    this.#arriving = arrival.catch(() => undefined); // its caller is told
    return arrival;
  }

  async #runAndRollBack(work: (stores: Stores) => Promise<unknown>): Promise<void> {
    const rollback = new Error("rolled back to be run again");
    try {
      await this.#parts.database.transact(async (stores) => {
        await work(this.#guard(stores));
        throw rollback;
      });
    } catch (error) {
      if (error !== rollback) throw error;
    }
  }

  #guard(stores: Stores): Stores {
    const around: Around = (call) => {
      this.#checkUp();
      return call();
    };
    return {
      jobs: aroundCalls(stores.jobs, around),
      attempts: aroundCalls(stores.attempts, around),
      workers: aroundCalls(stores.workers, around),
      joinTokens: aroundCalls(stores.joinTokens, around),
      replicas: aroundCalls(stores.replicas, around),
      limits: aroundCalls(stores.limits, around),
      dependencies: aroundCalls(stores.dependencies, around),
      leadership: aroundCalls(stores.leadership, around),
      events: aroundCalls(stores.events, around),
      subscriptions: aroundCalls(stores.subscriptions, around),
    };
  }

  async #travel(): Promise<void> {
    const { clock, random } = this.#parts;
    const slowest = random.chance(SLOW_PROBABILITY) ? SLOW_MS : QUICK_MS;
    await clock.sleep(random.integer(1, slowest));
    this.#checkUp();
  }

  #answer<T>(result: T): T {
    this.#checkUp();
    const { conditions, random } = this.#parts;
    if (conditions.answersLost.holds && random.chance(LOST_ANSWER_PROBABILITY)) {
      throw unavailable("the answer was lost");
    }
    return result;
  }

  #checkUp(): void {
    if (!this.isUp) throw unavailable("the database cannot be reached");
  }

  #checkAlive(): void {
    if (this.#isSevered) throw unavailable("this replica is dead");
  }
}

function unavailable(message: string): PlatformError {
  return new PlatformError("unavailable", "simulated_fault", message);
}

import type { Database, InsertedJob, Job, JobChange, NewJob, Readers, Stores } from "@hodei/domain";

/** What the leader leads: one for all of its loops. */
export const LEADERSHIP_NAME = "control-plane";

/** Whether this replica leads: it alone schedules, provisions and reaps. */
export interface Leadership {
  /** Number of the leadership that this replica believes to hold; `undefined` while it follows. */
  epoch(): number | undefined;
}

/**
 * The database as one loop of the leader works on it: what a turn commits, it commits under the leadership in which it
 * began to look. A replica that was followed by another leader, and has not noticed yet or leads again since, stores
 * nothing of what it had decided.
 */
export class FencedDatabase implements Database {
  readonly readers: Readers;
  readonly #database: Database;
  readonly #leadership: Leadership;
  #epoch: number | undefined;

  constructor(database: Database, leadership: Leadership) {
    this.readers = database.readers;
    this.#database = database;
    this.#leadership = leadership;
  }

  /** Ties what follows to the leadership held now. False: there is none, and no turn. */
  beginTurn(): boolean {
    this.#epoch = this.#leadership.epoch();
    return this.#epoch !== undefined;
  }

  /** @throws PlatformError `conflict`, reason `not_leading`, if another leader has followed; as `Database.transact` else */
  transact<T>(work: (stores: Stores) => Promise<T>): Promise<T> {
    const epoch = this.#epoch;
    return this.#database.transact(async (stores) => {
      if (epoch !== undefined) await stores.leadership.check(LEADERSHIP_NAME, epoch);
      return work(stores);
    });
  }

  /** New jobs depend on nothing that a leader decides. */
  insertJobs(jobs: readonly NewJob[]): Promise<readonly InsertedJob[]> {
    return this.#database.insertJobs(jobs);
  }

  /** In a transaction of its own. @throws PlatformError as `transact` */
  changeJob(change: JobChange): Promise<Job | undefined> {
    return this.transact(async ({ jobs }) => {
      const [stored] = await jobs.lockAll([change.job.id]);
      if (stored?.version !== change.job.version) return undefined;
      return (await jobs.updateAll([change]))[0];
    });
  }
}

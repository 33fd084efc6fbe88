import type { CommitListener, InsertedJob, NewJob } from "@hodei/domain";
import type { Pool } from "pg";
import { GroupCommit } from "./group-commit.ts";
import { fitsOneStatement, insertJobs, type JobInsert, toJobInsert } from "./insert-jobs.ts";
import { poolSql } from "./sql.ts";
import { retryTransient, transact } from "./transact.ts";

/** Measured with 32 clients: 18,000 rows a second instead of 3,500 without sharing commits. */
const FLUSHES_IN_FLIGHT_MAX = 2;
/** Jobs that wait for a flush. */
const WAITING_JOBS_MAX = 50_000;

/** Stores new jobs; calls that come together share a commit, but each is stored as a whole or not at all. */
export class JobInserter {
  readonly #pool: Pool;
  readonly #onCommit: CommitListener;
  readonly #group: GroupCommit<readonly JobInsert[], readonly InsertedJob[]>;

  constructor({ pool, onCommit }: { readonly pool: Pool; readonly onCommit: CommitListener }) {
    this.#pool = pool;
    this.#onCommit = onCommit;
    this.#group = new GroupCommit({
      what: "jobs",
      flushesInFlightMax: FLUSHES_IN_FLIGHT_MAX,
      waitingSizeMax: WAITING_JOBS_MAX,
      sizeOf: (inserts) => inserts.length,
      fit: (calls) => fitsOneStatement(calls.flat()),
      store: (calls) => this.#store(calls),
    });
  }

  /** @throws PlatformError */
  async insert(jobs: readonly NewJob[]): Promise<readonly InsertedJob[]> {
    return jobs.length === 0 ? [] : this.#group.submit(jobs.map(toJobInsert));
  }

  /** Resolves when nothing waits or is under way. */
  idle(): Promise<void> {
    return this.#group.idle();
  }

  async #store(
    calls: readonly (readonly JobInsert[])[],
  ): Promise<readonly (readonly InsertedJob[])[]> {
    const inserts = calls.flat();
    const inserted = await this.#insert(inserts);
    const events = inserts.flatMap((insert, index) =>
      inserted[index]?.created ? insert.events : [],
    );
    if (events.length > 0) this.#onCommit(events);
    let end = 0;
    return calls.map(({ length }) => {
      end += length;
      return inserted.slice(end - length, end);
    });
  }

  /** One statement is a transaction by itself. */
  async #insert(inserts: readonly JobInsert[]): Promise<readonly InsertedJob[]> {
    if (fitsOneStatement(inserts)) {
      return retryTransient(this.#pool, () => insertJobs(poolSql(this.#pool), inserts));
    }
    return (await transact(this.#pool, (sql) => insertJobs(sql, inserts))).result;
  }
}

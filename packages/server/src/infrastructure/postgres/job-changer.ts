import type { CommitListener, Job, JobChange } from "@hodei/domain";
import type { Pool } from "pg";
import { changeJobs } from "./change-jobs.ts";
import { GroupCommit } from "./group-commit.ts";
import { repeatingSql } from "./sql.ts";
import { retryTransient } from "./transact.ts";

/** One more is sent while the commit of another is waited for. */
const FLUSHES_IN_FLIGHT_MAX = 2;
/** Changes that wait for a flush; beyond them calls fail, and the sessions that made them end and come back. */
const WAITING_CHANGES_MAX = 50_000;
/** Longer than any caller's patience: who is refused has to open a session anew and to send all of it again. */
const WAIT_MAX_MS = 30_000;
/** Changes of one statement. */
const FLUSH_CHANGES_MAX = 64;

/** Stores changes of jobs; calls that come together share a commit, but each is stored or refused by itself. */
export class JobChanger {
  readonly #pool: Pool;
  readonly #onCommit: CommitListener;
  readonly #group: GroupCommit<JobChange, Job | undefined>;

  constructor({ pool, onCommit }: { readonly pool: Pool; readonly onCommit: CommitListener }) {
    this.#pool = pool;
    this.#onCommit = onCommit;
    this.#group = new GroupCommit({
      what: "changes of jobs",
      flushesInFlightMax: FLUSHES_IN_FLIGHT_MAX,
      waitingSizeMax: WAITING_CHANGES_MAX,
      waitMaxMs: WAIT_MAX_MS,
      sizeOf: () => 1,
      fit: (changes) => changes.length <= FLUSH_CHANGES_MAX && areOfDifferentJobs(changes),
      store: (changes) => this.#store(changes),
    });
  }

  /** As `Database.changeJob`. */
  change(change: JobChange): Promise<Job | undefined> {
    return this.#group.submit(change);
  }

  /** Resolves when nothing waits or is under way. */
  idle(): Promise<void> {
    return this.#group.idle();
  }

  async #store(changes: readonly JobChange[]): Promise<readonly (Job | undefined)[]> {
    // What is done twice finds another version the second time, as if somebody else had changed the job.
    const { jobs, events } = await retryTransient(this.#pool, () =>
      changeJobs(repeatingSql(this.#pool), changes),
    );
    if (events.length > 0) this.#onCommit(events);
    return jobs;
  }
}

function areOfDifferentJobs(changes: readonly JobChange[]): boolean {
  return new Set(changes.map(({ job }) => job.id)).size === changes.length;
}

import { type KeyPosition, keptUntil, shortestRetentionMs } from "@hodei/domain";
import type { Deps } from "./deps.ts";

const DAY_MS = 86_400_000;
/** Jobs, and keys, of one turn, so that its transaction is short; where there are more, the next turn comes at once. */
const LIMIT_COUNT = 500;

/**
 * Makes room for the jobs that live: those that ended a while ago move to those that are only kept, and idempotency keys
 * of jobs that are gone are forgotten. So it makes no difference to what the scheduler reads how many jobs there have ever
 * been.
 */
export class FinishedJobsMove {
  readonly #deps: Pick<Deps, "database" | "clock" | "settings">;
  #keysFrom: KeyPosition | null = null;
  /** Jobs go by whole days, so once a day all keys are looked at whose jobs may be gone. */
  #nextKeysAt = new Date(0);

  constructor(deps: Pick<Deps, "database" | "clock" | "settings">) {
    this.#deps = deps;
  }

  /** One turn. Returns now if there is more to do. */
  async run(): Promise<Date | undefined> {
    const { database, clock, settings } = this.#deps;
    const now = clock.now();
    const endedUntil = new Date(now.getTime() - settings.finishedSettleMs);
    const { retention } = settings;
    const moved = await database.transact(({ jobs }) =>
      jobs.moveFinished(endedUntil, LIMIT_COUNT, (job) => keptUntil(retention, job)),
    );
    if (now >= this.#nextKeysAt) await this.#forgetKeys(now);
    return moved === LIMIT_COUNT || this.#keysFrom !== null ? now : undefined;
  }

  /** Keys of jobs that asked to be kept for less than any rule says wait until the rule would let them go. */
  async #forgetKeys(now: Date): Promise<void> {
    const { database, settings } = this.#deps;
    const keptMs = shortestRetentionMs(settings.retention);
    const createdBefore = new Date(now.getTime() - keptMs - DAY_MS);
    this.#keysFrom = await database.transact(({ jobs }) =>
      jobs.forgetKeys(createdBefore, LIMIT_COUNT, this.#keysFrom),
    );
    if (this.#keysFrom === null) this.#nextKeysAt = new Date(now.getTime() + DAY_MS);
  }
}

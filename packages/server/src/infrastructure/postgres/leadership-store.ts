import { type LeadershipStore, PlatformError } from "@hodei/domain";
import type { Sql, Statement } from "./sql.ts";

/** The next epoch. Waits for transactions that have checked the one before and not ended yet. */
export const BEGIN_LEADERSHIP: Statement = {
  name: "leadership_begin",
  text: `
    insert into leadership (name, epoch) values ($1, 1)
    on conflict (name) do update set epoch = leadership.epoch + 1
    returning epoch`,
};

/** A share lock: those of one leader do not wait for each other. */
const CHECK: Statement = {
  name: "leadership_check",
  text: "select epoch from leadership where name = $1 and epoch = $2 for share",
};

export class PostgresLeadershipStore implements LeadershipStore {
  readonly #sql: Sql;

  constructor(sql: Sql) {
    this.#sql = sql;
  }

  async begin(name: string): Promise<number> {
    const [row] = await this.#sql.run<{ readonly epoch: number }>(BEGIN_LEADERSHIP, [name]);
    return row?.epoch ?? 0;
  }

  async check(name: string, epoch: number): Promise<void> {
    const current = await this.#sql.run(CHECK, [name, epoch]);
    if (current.length > 0) return;
    throw new PlatformError("conflict", "not_leading", `leadership ${epoch} of ${name} has ended`);
  }
}

import type { JoinToken, JoinTokenStore, WorkerId } from "@hodei/domain";
import type { Sql, Statement } from "./sql.ts";
import { workerNotFound } from "./worker-store.ts";

const INSERT: Statement = {
  name: "join_token_insert",
  text: `
    insert into join_token (hash, tenant_id, worker_id, expires_at)
    select $1, tenant_id, id, $3 from worker where id = $2
    returning hash`,
};

/** Expired tokens leave with whichever is spent next, so the table stays small. */
const SPEND: Statement = {
  name: "join_token_spend",
  text: "delete from join_token where hash = $1 or expires_at <= $2 returning hash, worker_id, expires_at",
};

interface JoinTokenRow {
  readonly hash: string;
  readonly worker_id: string;
  readonly expires_at: Date;
}

export class PostgresJoinTokenStore implements JoinTokenStore {
  readonly #sql: Sql;

  constructor(sql: Sql) {
    this.#sql = sql;
  }

  async insert({ hash, workerId, expiresAt }: JoinToken): Promise<void> {
    const inserted = await this.#sql.run(INSERT, [hash, workerId, expiresAt]);
    if (inserted.length === 0) workerNotFound(workerId);
  }

  async spend(hash: string, now: Date): Promise<JoinToken | undefined> {
    const rows = await this.#sql.run<JoinTokenRow>(SPEND, [hash, now]);
    const row = rows.find((deleted) => deleted.hash === hash && deleted.expires_at > now);
    return row && { hash, workerId: row.worker_id as WorkerId, expiresAt: row.expires_at };
  }
}

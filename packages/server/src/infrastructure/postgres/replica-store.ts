import { REPLICA_KEPT_MS, type Replica, type ReplicaId, type ReplicaStore } from "@hodei/domain";
import type { Sql, Statement } from "./sql.ts";

const RENEW: Statement = {
  name: "replica_renew",
  text: `
    with forgotten as (delete from replica where renewed_at <= $3 and id <> $1)
    insert into replica (id, renewed_at) values ($1, $2)
    on conflict (id) do update set renewed_at = excluded.renewed_at`,
};

const REMOVE: Statement = { name: "replica_remove", text: "delete from replica where id = $1" };

const LIST: Statement = {
  name: "replica_list",
  text: "select id, renewed_at from replica order by id",
};

export class PostgresReplicaStore implements ReplicaStore {
  readonly #sql: Sql;

  constructor(sql: Sql) {
    this.#sql = sql;
  }

  async renew(id: ReplicaId, now: Date): Promise<void> {
    await this.#sql.run(RENEW, [id, now, new Date(now.getTime() - REPLICA_KEPT_MS)]);
  }

  async remove(id: ReplicaId): Promise<void> {
    await this.#sql.run(REMOVE, [id]);
  }

  async list(): Promise<readonly Replica[]> {
    const rows = await this.#sql.run<{ readonly id: string; readonly renewed_at: Date }>(LIST, []);
    return rows.map((row) => ({ id: row.id as ReplicaId, renewedAt: row.renewed_at }));
  }
}

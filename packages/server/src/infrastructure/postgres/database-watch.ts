import type { Component, PlatformError } from "@hodei/domain";
import type { Client } from "pg";
import type { PostgresAddress } from "./connection.ts";
import type { DatabaseSockets } from "./database-sockets.ts";
import { ANSWER_TIMEOUT_MS, LastingConnection, pause } from "./lasting-connection.ts";

const ASK_INTERVAL_MS = 1_000;
/** How often it looks for old snapshots. */
const SNAPSHOT_INTERVAL_MS = 60_000;

/** Of other users of the database only what our own may see: with the role `pg_monitor`, all. */
const FIND_OLD_SNAPSHOT = `
  select pid, application_name as application, state, extract(epoch from clock_timestamp() - xact_start) * 1000 as age_ms
  from pg_stat_activity
  where backend_type = 'client backend' and (backend_xmin is not null or backend_xid is not null)
    and xact_start < clock_timestamp() - $1 * interval '1 ms'
  order by xact_start limit 1`;

/** A transaction that has been open for long: no row version that it may still see can be removed, in any table. */
export interface OldSnapshot {
  /** The connection's, as in `pg_stat_activity`. */
  readonly pid: number;
  /** What it calls itself. */
  readonly application: string;
  /** `idle in transaction` for one that does nothing. */
  readonly state: string;
  readonly ageMs: number;
}

export interface DatabaseWatchOptions {
  readonly address: PostgresAddress;
  /** The connections that it ends when the database falls silent. */
  readonly sockets: DatabaseSockets;
  /** A transaction that is open for longer is told about. */
  readonly snapshotLimitMs: number;
  /** Told of the oldest such transaction, again every minute. Must not throw. */
  readonly onOldSnapshot: (snapshot: OldSnapshot) => void;
  /** Told of each connection that was lost, and of each that could not be made. */
  readonly onTrouble: (error: PlatformError) => void;
}

/**
 * Asks the database every second, on a connection of its own. When no answer comes for 2 s, the connections that have been
 * as silent meanwhile are ended: a failover or a cut network leaves them open with nobody at the other end. The same
 * happens to those that are older than the watch's own, of which its answers say nothing: after it had to connect anew
 * they have 2 s to show that they live. So a statement waits for 3 s, at most some 7, for a database that is gone, however
 * long it may wait for one that is slow.
 */
export class DatabaseWatch implements Component {
  readonly #options: DatabaseWatchOptions;
  readonly #sockets: DatabaseSockets;
  readonly #connection: LastingConnection;
  #trial: NodeJS.Timeout | undefined;

  constructor(options: DatabaseWatchOptions) {
    const { address, sockets, onTrouble } = options;
    this.#options = options;
    this.#sockets = sockets;
    this.#connection = new LastingConnection({
      address,
      onTrouble,
      serve: (client, lost) => this.#ask(client, lost),
    });
  }

  start(): Promise<void> {
    return this.#connection.start();
  }

  async stop(): Promise<void> {
    await this.#connection.stop();
    clearTimeout(this.#trial);
  }

  async #ask(client: Client, lost: AbortSignal): Promise<void> {
    const older = this.#sockets.received();
    clearTimeout(this.#trial);
    this.#trial = setTimeout(() => this.#sockets.endSilentSince(older), ANSWER_TIMEOUT_MS);
    let lookedAtMs = Number.NEGATIVE_INFINITY;
    while (!lost.aborted) {
      const received = this.#sockets.received();
      const askedAtMs = performance.now();
      try {
        await client.query("select 1");
      } catch (error) {
        // Only silence says something of the other connections: this one may have been ended alone.
        const isSilent = performance.now() - askedAtMs >= ANSWER_TIMEOUT_MS;
        if (isSilent) this.#sockets.endSilentSince(received);
        throw error;
      }
      if (askedAtMs - lookedAtMs >= SNAPSHOT_INTERVAL_MS) {
        lookedAtMs = askedAtMs;
        await this.#findOldSnapshot(client);
      }
      await pause(ASK_INTERVAL_MS, lost);
    }
  }

  async #findOldSnapshot(client: Client): Promise<void> {
    const { snapshotLimitMs, onOldSnapshot } = this.#options;
    const { rows } = await client.query<Omit<OldSnapshot, "ageMs"> & { readonly age_ms: string }>(
      FIND_OLD_SNAPSHOT,
      [snapshotLimitMs],
    );
    for (const { age_ms, ...row } of rows) onOldSnapshot({ ...row, ageMs: Number(age_ms) });
  }
}

import type { Component, PlatformError } from "@hodei/domain";
import type { Client } from "pg";
import { LOCK_CLASS_LEADERSHIP } from "./advisory-locks.ts";
import type { PostgresAddress } from "./connection.ts";
import { LastingConnection, pause } from "./lasting-connection.ts";
import { BEGIN_LEADERSHIP } from "./leadership-store.ts";

/** How often a follower tries to lead, and a leader makes sure that it still does. */
const TRY_INTERVAL_MS = 1_000;
/**
 * The database ends a session that says nothing for this long, and with it its lock: a process that sleeps (SIGSTOP, a
 * suspended machine) keeps its connection, and would lead all the others for as long. Four tries long, so that a busy
 * leader is not taken for one.
 */
const SILENCE_LIMIT = "set idle_session_timeout = '4s'";

export interface LeadershipOptions {
  readonly address: PostgresAddress;
  /** What is led; one leader for each name. */
  readonly name: string;
  /** Told when this server has become the leader. Must not throw. */
  readonly onHeld: () => void;
  /** Told of each connection that was lost, and of each that could not be made. */
  readonly onTrouble: (error: PlatformError) => void;
}

/**
 * Leadership of at most one server on a database, by a lock of its session: free again when the leader stops or dies, and
 * taken by another within about a second (after a power failure or cut cable, or when it sleeps: about five). In the moment after a cut two
 * may believe that they lead; the epoch of the first has ended then, and nothing is committed under it any more.
 */
export class PostgresLeadership implements Component {
  readonly #name: string;
  readonly #onHeld: () => void;
  readonly #connection: LastingConnection;
  #epoch: number | undefined;

  constructor({ address, name, onHeld, onTrouble }: LeadershipOptions) {
    this.#name = name;
    this.#onHeld = onHeld;
    this.#connection = new LastingConnection({
      address,
      onTrouble,
      serve: (client, lost) => this.#campaign(client, lost),
    });
  }

  start(): Promise<void> {
    return this.#connection.start();
  }

  stop(): Promise<void> {
    return this.#connection.stop();
  }

  /** `undefined` from the moment the connection is known to be lost. */
  epoch(): number | undefined {
    return this.#epoch;
  }

  async #campaign(client: Client, lost: AbortSignal): Promise<void> {
    lost.addEventListener("abort", () => {
      this.#epoch = undefined;
    });
    await client.query(SILENCE_LIMIT);
    while (!lost.aborted) {
      if (this.#epoch !== undefined) await client.query("select 1");
      else if (await this.#tryLock(client)) {
        const { rows } = await client.query<{ epoch: number }>(BEGIN_LEADERSHIP.text, [this.#name]);
        this.#epoch = lost.aborted ? undefined : rows[0]?.epoch;
        if (this.#epoch !== undefined) this.#onHeld();
      }
      await pause(TRY_INTERVAL_MS, lost);
    }
  }

  async #tryLock(client: Client): Promise<boolean> {
    const { rows } = await client.query<{ held: boolean }>(
      "select pg_try_advisory_lock($1, hashtext($2)) as held",
      [LOCK_CLASS_LEADERSHIP, this.#name],
    );
    return rows[0]?.held === true;
  }
}

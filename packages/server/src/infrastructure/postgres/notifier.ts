import type { Component, PlatformError } from "@hodei/domain";
import type { Client } from "pg";
import type { PostgresAddress } from "./connection.ts";
import { LastingConnection, pause } from "./lasting-connection.ts";

/** One word for all: a notification says "look again", never what happened. */
const CHANNEL = "hodei";
/** Commits within this time share one NOTIFY, which takes a lock on the whole database while it commits. */
const NOTIFY_INTERVAL_MS = 20;
/** How often a connection that says nothing is asked whether it is alive. */
const PING_INTERVAL_MS = 5_000;

export interface NotifierOptions {
  readonly address: PostgresAddress;
  /** Told of each connection that was lost, and of each that could not be made. */
  readonly onTrouble: (error: PlatformError) => void;
}

/**
 * Wakes the other servers on the same database after a commit, and is woken by them. Notifications carry nothing, may come
 * for nothing, and are lost while there is no connection: they shorten the wait for the next poll, no more.
 */
export class PostgresNotifier implements Component {
  readonly #connection: LastingConnection;
  readonly #handlers = new Set<() => void>();
  #client: Client | undefined;
  #timer: NodeJS.Timeout | undefined;
  #lastSentAtMs = Number.NEGATIVE_INFINITY;

  constructor({ address, onTrouble }: NotifierOptions) {
    this.#connection = new LastingConnection({
      address,
      onTrouble,
      serve: (client, lost) => this.#listen(client, lost),
    });
  }

  start(): Promise<void> {
    return this.#connection.start();
  }

  async stop(): Promise<void> {
    clearTimeout(this.#timer);
    await this.#connection.stop();
  }

  /** `handler` is called for each notification of another server, and after each (re)connect to catch up. Must not throw. */
  onNotify(handler: () => void): void {
    this.#handlers.add(handler);
  }

  /** Call it after a commit: notifies at once, or together with others when the last one was just now. */
  notify(): void {
    if (this.#timer !== undefined) return;
    const waitMs = this.#lastSentAtMs + NOTIFY_INTERVAL_MS - performance.now();
    if (waitMs <= 0) this.#send();
    else this.#timer = setTimeout(() => this.#send(), waitMs);
  }

  #send(): void {
    this.#timer = undefined;
    this.#lastSentAtMs = performance.now();
    // Lost with the connection, whose end is reported; the others look again after their poll interval.
    this.#client?.query(`notify ${CHANNEL}`).catch(() => undefined);
  }

  async #listen(client: Client, lost: AbortSignal): Promise<void> {
    const [own] = (await client.query<{ pid: number }>("select pg_backend_pid() as pid")).rows;
    client.on("notification", ({ processId }) => {
      if (processId !== own?.pid) this.#wake();
    });
    await client.query(`listen ${CHANNEL}`);
    this.#client = client;
    lost.addEventListener("abort", () => {
      this.#client = undefined;
    });
    this.#wake();
    while (!lost.aborted) {
      await pause(PING_INTERVAL_MS, lost);
      if (!lost.aborted) await client.query("select 1");
    }
  }

  #wake(): void {
    for (const handler of this.#handlers) handler();
  }
}

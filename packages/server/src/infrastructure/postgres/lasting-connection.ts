import { setTimeout as delay } from "node:timers/promises";
import type { Component, PlatformError } from "@hodei/domain";
import pg, { type Client } from "pg";
import { clientConfig, type PostgresAddress } from "./connection.ts";
import { toPlatformError } from "./postgres-error.ts";

/** Between losing a connection and trying for a new one: at random up to this, so that servers do not come together. */
const RECONNECT_PAUSE_MS = 1_000;
/** A statement without an answer for this long means that the connection is lost. */
export const ANSWER_TIMEOUT_MS = 2_000;
/** Settings of the session: the server in turn gives up on a silent client, and frees its locks, after about 4 s. */
const SERVER_KEEPALIVE =
  "set tcp_keepalives_idle = 2; set tcp_keepalives_interval = 1; set tcp_keepalives_count = 2";

export interface LastingConnectionOptions {
  readonly address: PostgresAddress;
  /** Uses an open connection until `lost` is aborted; if it throws, the connection is closed and another one opened. */
  readonly serve: (client: Client, lost: AbortSignal) => Promise<void>;
  /** Told of each connection that was lost, and of each that could not be made. */
  readonly onTrouble: (error: PlatformError) => void;
}

/** One connection of its own, for what belongs to a session: opened again whenever it is lost. */
export class LastingConnection implements Component {
  readonly #options: LastingConnectionOptions;
  readonly #stopping = new AbortController();
  readonly #firstTry = Promise.withResolvers<void>();
  #running: Promise<void> | undefined;

  constructor(options: LastingConnectionOptions) {
    this.#options = options;
  }

  /** Resolves after the first try to connect, successful or not. */
  async start(): Promise<void> {
    this.#running ??= this.#run();
    await this.#firstTry.promise;
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#running;
  }

  async #run(): Promise<void> {
    const { signal } = this.#stopping;
    while (!signal.aborted) {
      await this.#connectOnce();
      this.#firstTry.resolve();
      await pause(Math.random() * RECONNECT_PAUSE_MS, signal);
    }
    this.#firstTry.resolve();
  }

  /** Resolves when the connection has ended, or could not be made. */
  async #connectOnce(): Promise<void> {
    const config = clientConfig(this.#options.address);
    const client = new pg.Client({ ...config, query_timeout: ANSWER_TIMEOUT_MS });
    const lost = new AbortController();
    let trouble: unknown = new Error("Connection terminated");
    client.on("end", () => lost.abort());
    client.on("error", (error) => {
      trouble = error;
      lost.abort();
    });
    const stop = () => lost.abort();
    this.#stopping.signal.addEventListener("abort", stop, { once: true });
    try {
      await client.connect();
      await client.query(SERVER_KEEPALIVE);
      const served = this.#options.serve(client, lost.signal);
      this.#firstTry.resolve();
      await served;
    } catch (error) {
      trouble = error;
    } finally {
      lost.abort();
      this.#stopping.signal.removeEventListener("abort", stop);
    }
    if (!this.#stopping.signal.aborted) this.#options.onTrouble(toPlatformError(trouble));
    await Promise.race([client.end(), delay(ANSWER_TIMEOUT_MS)]);
    // Nobody may be there to hear that it ends.
    client.connection.stream.destroy();
  }
}

/** Resolves after `ms`, or at once when `signal` is aborted. */
export async function pause(ms: number, signal: AbortSignal): Promise<void> {
  await delay(ms, undefined, { signal }).catch(() => undefined);
}

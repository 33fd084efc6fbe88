import { Socket } from "node:net";
import type { PostgresAddress } from "./connection.ts";

/** What had come in over each open connection at one moment. */
export type Received = ReadonlyMap<Socket, number>;

/**
 * The connections of this process to one database, whoever opened them, so that all that a network has cut off without a
 * word can be ended together. The driver, and TCP behind a proxy that still answers, would wait for them for ever.
 */
export class DatabaseSockets {
  readonly #open = new Set<Socket>();

  /** The same database; connections that are made to it are known here. */
  watched(address: PostgresAddress): PostgresAddress {
    const parts = typeof address === "string" ? { connectionString: address } : address;
    return { ...parts, stream: () => this.#create() };
  }

  received(): Received {
    return new Map([...this.#open].map((socket) => [socket, socket.bytesRead]));
  }

  /** Ends the connections over which nothing has come since; statements on them fail as `unavailable`. How many. */
  endSilentSince(received: Received): number {
    const silent = [...received].filter(
      ([socket, bytes]) => this.#open.has(socket) && socket.bytesRead === bytes,
    );
    for (const [socket] of silent) socket.destroy();
    return silent.length;
  }

  /** Ends what is open still: the goodbye of a connection that is cut off is never answered. */
  endAll(): void {
    for (const socket of this.#open) socket.destroy();
  }

  #create(): Socket {
    const socket = new Socket();
    this.#open.add(socket);
    socket.once("close", () => this.#open.delete(socket));
    return socket;
  }
}

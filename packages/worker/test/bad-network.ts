import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";

/** What the network does with what is sent: carries it, carries a byte a second, or swallows it while both sides stay open. */
export type Weather = "fair" | "trickle" | "half-open";

const TRICKLE_MS = 1_000;

/** A network between a worker and its server, on loopback, whose weather a test makes. */
export class BadNetwork {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  readonly #timers = new Set<NodeJS.Timeout>();
  #weather: Weather = "fair";

  private constructor(targetPort: number) {
    this.#server = createServer((near) => {
      const far = connect(targetPort, "127.0.0.1");
      this.#join(near, far);
      this.#join(far, near);
    });
  }

  /** Leads to `target`, which stays the name in the address. */
  static async to(target: string): Promise<{ network: BadNetwork; url: string }> {
    const url = new URL(target);
    const network = new BadNetwork(Number(url.port));
    network.#server.listen(0, "127.0.0.1");
    await once(network.#server, "listening");
    url.port = `${(network.#server.address() as AddressInfo).port}`;
    return { network, url: url.origin };
  }

  /** Counts for what is sent from now on, on connections that are there and on new ones. */
  set weather(weather: Weather) {
    this.#weather = weather;
  }

  /** Cuts every connection. */
  cut(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  async close(): Promise<void> {
    for (const timer of this.#timers) clearInterval(timer);
    this.#server.close();
    this.cut();
    await once(this.#server, "close");
  }

  #join(from: Socket, to: Socket): void {
    this.#sockets.add(from);
    from.on("error", () => {}); // A cut; "close" follows.
    from.on("close", () => {
      this.#sockets.delete(from);
      to.destroy();
    });
    from.on("data", (bytes) => {
      if (this.#weather === "fair") to.write(bytes);
      else if (this.#weather === "trickle") this.#trickle(bytes, from, to);
      // Half-open: as from a router that has forgotten the connection, nothing comes and nobody hears of it.
    });
  }

  /** Reads no more until the last of `bytes` has gone; what the weather is then counts for what comes next. */
  #trickle(bytes: Buffer, from: Socket, to: Socket): void {
    from.pause();
    let sentCount = 0;
    const timer = setInterval(() => {
      const isOver = to.destroyed || this.#weather !== "trickle";
      const end = isOver ? bytes.length : sentCount + 1;
      if (!to.destroyed) to.write(bytes.subarray(sentCount, end));
      sentCount = end;
      if (sentCount < bytes.length) return;
      clearInterval(timer);
      this.#timers.delete(timer);
      from.resume();
    }, TRICKLE_MS);
    this.#timers.add(timer);
  }
}

import { once } from "node:events";
import { connect, createServer, type Socket } from "node:net";

/** One address in front of several servers, as a load balancer is: bytes in, bytes out. */
export interface Balancer {
  readonly port: number;
  /** New connections go to this port; the others stay where they are. */
  direct(port: number): void;
  close(): void;
}

export async function openBalancer(): Promise<Balancer> {
  let target = 0;
  const sockets = new Set<Socket>();
  const server = createServer((near) => {
    const far = connect(target, "127.0.0.1");
    // One side ends, by whatever cause, and so does the other.
    for (const [one, other] of [
      [near, far],
      [far, near],
    ] as const) {
      sockets.add(one);
      one.on("error", () => one.destroy());
      one.on("close", () => {
        sockets.delete(one);
        other.destroy();
      });
      one.pipe(other);
    }
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("it listens on a port");
  return {
    port: address.port,
    direct: (port) => {
      target = port;
    },
    close: () => {
      server.close();
      for (const socket of sockets) socket.destroy();
    },
  };
}

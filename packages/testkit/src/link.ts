import { connect, createServer, type Server, type Socket } from "node:net";

/**
 * State of the network on a link.
 *
 * - `open`: bytes pass.
 * - `refused`: connections are reset, and new ones, too.
 * - `stalled`: no byte passes; all that was sent comes later.
 * - `swallowed`: bytes vanish and nobody is told; connections that were open then stay so for good (half-open).
 * - `trickling`: one byte a second passes in each direction.
 */
export type LinkState = "open" | "refused" | "stalled" | "swallowed" | "trickling";

/** Where connections lead: asked for each, so that a link can spread them, or follow a server that moved. */
export type Target = { readonly host: string; readonly port: number } | { readonly path: string };

const TRICKLE_INTERVAL_MS = 1_000;
/** Bytes that may wait for a trickling direction; then its sender is no longer read. */
const WAITING_BYTES_MAX = 65_536;

/** A network cable with a switch: listens on a port of 127.0.0.1 and passes connections on to its target. */
export class Link {
  readonly name: string;
  readonly #findTarget: () => Target | undefined;
  readonly #server: Server;
  readonly #pipes = new Set<Pipe>();
  #state: LinkState = "open";

  constructor(name: string, findTarget: () => Target | undefined) {
    this.name = name;
    this.#findTarget = findTarget;
    this.#server = createServer({ allowHalfOpen: true }, (socket) => this.#accept(socket));
  }

  /** Resolves when the port is known. */
  async start(): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      this.#server.once("error", reject);
      this.#server.listen(0, "127.0.0.1", () => resolve());
    });
  }

  get port(): number {
    const address = this.#server.address();
    if (address === null || typeof address === "string")
      throw new Error(`${this.name} does not listen`);
    return address.port;
  }

  set state(state: LinkState) {
    this.#state = state;
    if (state === "refused") this.cut();
    for (const pipe of this.#pipes) pipe.state = state;
  }

  /** Resets every connection. New ones are served as the state says. */
  cut(): void {
    for (const pipe of this.#pipes) pipe.destroy();
  }

  async stop(): Promise<void> {
    this.cut();
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
  }

  #accept(socket: Socket): void {
    const target = this.#state === "refused" ? undefined : this.#findTarget();
    if (target === undefined) {
      socket.on("error", () => {}).resetAndDestroy();
      return;
    }
    const pipe = new Pipe(socket, connect({ ...target, allowHalfOpen: true }), () =>
      this.#pipes.delete(pipe),
    );
    this.#pipes.add(pipe);
    pipe.state = this.#state;
  }
}

/** Both directions of one connection. */
class Pipe {
  readonly #ends: readonly [Socket, Socket];
  readonly #directions: readonly Direction[];

  constructor(near: Socket, far: Socket, onClose: () => void) {
    this.#ends = [near, far];
    this.#directions = [new Direction(near, far), new Direction(far, near)];
    for (const end of this.#ends) {
      // Whatever broke one end, the other one learns of it by its own end.
      end.on("error", () => this.destroy());
      end.once("close", () => {
        this.destroy();
        onClose();
      });
    }
  }

  set state(state: LinkState) {
    for (const direction of this.#directions) direction.state = state;
  }

  destroy(): void {
    for (const direction of this.#directions) direction.stop();
    for (const end of this.#ends) {
      // Only TCP knows a reset; a Unix socket, or one that is still connecting, just closes. So does one that is ending
      // already: Node never closes it if it is reset meanwhile, and then the process does not end.
      if (end.remoteAddress === undefined || end.writableEnded) end.destroy();
      else if (!end.destroyed) end.resetAndDestroy();
    }
  }
}

/** Bytes from one socket to another. */
class Direction {
  readonly #from: Socket;
  readonly #to: Socket;
  #state: LinkState = "open";
  /** It has lost bytes: what comes now would be nonsense to its reader. */
  #isLost = false;
  #waiting: Buffer[] = [];
  #waitingBytes = 0;
  #hasEnded = false;
  #timer: NodeJS.Timeout | undefined;

  constructor(from: Socket, to: Socket) {
    this.#from = from;
    this.#to = to;
    from.on("data", (data: Buffer) => this.#take(data));
    from.on("end", () => {
      this.#hasEnded = true;
      this.#flush();
    });
    to.on("drain", () => this.#resume());
  }

  set state(state: LinkState) {
    this.#state = state;
    clearInterval(this.#timer);
    if (state === "swallowed") this.#isLost = true;
    if (state === "trickling")
      this.#timer = setInterval(() => this.#trickle(), TRICKLE_INTERVAL_MS);
    this.#resume();
    this.#flush();
  }

  stop(): void {
    clearInterval(this.#timer);
    this.#waiting = [];
  }

  #take(data: Buffer): void {
    if (this.#isLost) return;
    this.#waiting.push(data);
    this.#waitingBytes += data.length;
    this.#flush();
    if (this.#waitingBytes > WAITING_BYTES_MAX || this.#to.writableNeedDrain) this.#from.pause();
  }

  #flush(): void {
    if (this.#state !== "open" || this.#isLost) return;
    for (const data of this.#waiting) this.#to.write(data);
    this.#waiting = [];
    this.#waitingBytes = 0;
    if (this.#hasEnded) this.#to.end();
  }

  #resume(): void {
    if (this.#isLost || (this.#state === "open" && !this.#to.writableNeedDrain))
      this.#from.resume();
  }

  #trickle(): void {
    const first = this.#waiting[0];
    if (first === undefined || this.#isLost) return;
    this.#to.write(first.subarray(0, 1));
    this.#waitingBytes -= 1;
    if (first.length === 1) this.#waiting.shift();
    else this.#waiting[0] = first.subarray(1);
  }
}

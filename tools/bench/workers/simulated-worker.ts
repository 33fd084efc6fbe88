import type { SessionRequest, SessionResponse } from "@hodei/proto/hodei/v1/worker_service";
import { durationMs } from "@hodei/sdk";
import { type Connection, openConnection, type TlsMaterial } from "@hodei/worker";
import { RequestQueue } from "./request-queue.ts";
import {
  heartbeatRequest,
  helloRequest,
  type SimulatedCapacity,
  startedRequest,
  succeededRequest,
} from "./requests.ts";

export interface SimulatedWorkerOptions {
  readonly workerUrl: string;
  readonly identity: TlsMaterial;
  readonly capacity: SimulatedCapacity;
  /** Called when the server has stored the result of a job. */
  readonly onEnded?: (jobId: string) => void;
}

/**
 * A worker that runs nothing: over the connection that workers use it speaks their protocol, with heartbeats, and
 * answers each assignment at once with its start and its success.
 */
export class SimulatedWorker {
  /** Rejects if the session ends before `close`. */
  readonly done: Promise<void>;
  readonly #options: SimulatedWorkerOptions;
  readonly #connection: Connection;
  /** At most as long as the worker has room for jobs, twice. */
  readonly #requests = new RequestQueue<SessionRequest>();
  readonly #welcome = Promise.withResolvers<void>();
  #heartbeat: NodeJS.Timeout | undefined;
  #isClosing = false;

  constructor(options: SimulatedWorkerOptions) {
    this.#options = options;
    this.#connection = openConnection(options.workerUrl, options.identity);
    this.done = this.#run();
    this.done.catch(this.#welcome.reject);
    // Who waits for `done` hears of it, too.
    this.#welcome.promise.catch(() => {});
  }

  /** Resolves when the server counts on the worker. */
  get welcomed(): Promise<void> {
    return this.#welcome.promise;
  }

  /** Ends the session in order. */
  async close(): Promise<void> {
    this.#isClosing = true;
    this.#requests.end();
    await this.done;
  }

  async #run(): Promise<void> {
    this.#requests.push(helloRequest(this.#options.capacity));
    try {
      for await (const { message } of this.#connection.client.session(this.#requests)) {
        this.#handle(message);
      }
      if (!this.#isClosing) throw new Error("the server ended the session of a simulated worker");
    } finally {
      clearInterval(this.#heartbeat);
      this.#connection.close();
    }
  }

  #handle(message: SessionResponse["message"]): void {
    switch (message.case) {
      case "welcome": {
        const { heartbeatInterval } = message.value;
        if (heartbeatInterval === undefined) throw new Error("welcome names no heartbeat");
        const beat = () => this.#requests.push(heartbeatRequest(this.#options.capacity));
        this.#heartbeat = setInterval(beat, durationMs(heartbeatInterval));
        this.#welcome.resolve();
        return;
      }
      case "assignment": {
        const { ref } = message.value;
        if (ref === undefined) throw new Error("an assignment is of an attempt");
        this.#requests.push(startedRequest(ref), succeededRequest(ref));
        return;
      }
      case "resultAck": {
        const { accepted, ref } = message.value;
        if (!accepted || ref === undefined) throw new Error("the server refused a result");
        this.#options.onEnded?.(ref.jobId);
        return;
      }
      default:
        // Nobody cancels, and what is told of logs and drains changes nothing here.
        return;
    }
  }
}

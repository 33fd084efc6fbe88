import { durationMs } from "@bufbuild/protobuf/wkt";
import { Code, ConnectError } from "@connectrpc/connect";
import { PlatformError } from "@hodei/domain";
import type {
  Assignment,
  SessionRequest,
  SessionResponse,
  Welcome,
} from "@hodei/proto/hodei/v1/worker_service";
import type { Logger } from "pino";
import type { AttemptTable } from "./attempt-table.ts";
import type { WorkerClock } from "./clock.ts";
import { type Connection, findRefusal } from "./connection.ts";
import { startHeartbeat } from "./heartbeat.ts";
import type { Host } from "./host.ts";
import {
  attemptRequest,
  fromProtoLogAck,
  fromProtoRef,
  fromProtoSpec,
  goingAwayRequest,
  heartbeatRequest,
  helloRequest,
} from "./messages.ts";
import { RequestStream } from "./request-stream.ts";

/** From dialling to `welcome`; a server that takes longer is left and tried again. */
const WELCOME_TIMEOUT_MS = 10_000;
/** From our end of the requests to the server's end of the responses. */
const CLOSE_TIMEOUT_MS = 2_000;
/** When `welcome` names none. */
const DEFAULT_HEARTBEAT_MS = 3_000;

/** Not final: it may be a wrong clock, or a proxy in between that somebody is about to correct. */
const UNTRUSTED_ADVICE =
  "this is not the server that the worker joined. If that was set up anew, start the worker with a new join token";

export interface SessionDeps {
  readonly clock: WorkerClock;
  readonly log: Logger;
  readonly attempts: AttemptTable;
  readonly host: Host;
  /** Of the worker's program. */
  readonly version: string;
  /** The server asked the worker to take nothing new and to leave. May be called more than once. */
  readonly onDrain: () => void;
}

/** How a session ended. */
export type SessionEnd =
  /** We closed it. */
  | { readonly kind: "closed" }
  /** The server will have nothing to do with this worker. */
  | { readonly kind: "refused"; readonly message: string }
  /** `lastedMs`: since `welcome`; 0 if that never came. */
  | { readonly kind: "lost"; readonly message: string; readonly lastedMs: number };

/**
 * One stream to the server, from `hello` to its end. Heartbeats and attempts are asked for what they have to say each
 * time the stream can take a message, heartbeats first, so that a flood of log delays them by one batch at most.
 */
export class Session {
  readonly #deps: SessionDeps;
  readonly #connection: Connection;
  readonly #abort = new AbortController();
  readonly #requests: RequestStream;
  #isHelloSent = false;
  #isHeartbeatDue = false;
  #hasSaidGoingAway = false;
  #isClosing = false;
  #welcomedAtMs: number | undefined;
  readonly #cleanups: (() => void)[] = [];

  constructor(deps: SessionDeps, connection: Connection) {
    this.#deps = deps;
    this.#connection = connection;
    this.#requests = new RequestStream(deps.clock, {
      nextRequest: () => this.#nextRequest(),
      dueAtMs: () => this.#dueAtMs(),
    });
  }

  /** Runs the session and closes its connection; to be called once. Rejects for bugs only. */
  async run(): Promise<SessionEnd> {
    this.#cleanups.push(
      this.#deps.attempts.subscribe(() => this.#requests.wake()),
      this.#abortAfter(WELCOME_TIMEOUT_MS, "the server did not welcome the worker in time"),
    );
    try {
      const { signal } = this.#abort;
      for await (const response of this.#connection.client.session(this.#requests, { signal })) {
        this.#handle(response.message);
      }
      return this.#end("the server ended the session");
    } catch (error) {
      const refusal = findRefusal(error);
      if (refusal === "refused") return { kind: "refused", message: describe(error) };
      if (refusal === "untrusted") return this.#end(`${describe(error)}; ${UNTRUSTED_ADVICE}`);
      if (!(error instanceof ConnectError || error instanceof PlatformError)) throw error;
      return this.#end(describe(error));
    } finally {
      await this.#requests.return();
      for (const clean of this.#cleanups) clean();
      this.#connection.close();
    }
  }

  /** Ends the session once there is nothing more to say, within 2 s. Repeats are safe. */
  close(): void {
    if (this.#isClosing) return;
    this.#isClosing = true;
    this.#requests.finish();
    this.#cleanups.push(this.#abortAfter(CLOSE_TIMEOUT_MS, "the server did not end the session"));
  }

  #nextRequest(): SessionRequest | undefined {
    const { attempts, host, version } = this.#deps;
    if (!this.#isHelloSent) {
      this.#isHelloSent = true;
      return helloRequest({ ...host.facts, version }, attempts.refs);
    }
    if (this.#welcomedAtMs === undefined) return undefined;
    if (this.#isHeartbeatDue) {
      this.#isHeartbeatDue = false;
      const { capacity, measured } = host;
      const { runningCount: runningAttempts, droppedLogBytes } = attempts;
      return heartbeatRequest({
        capacity,
        runningAttempts,
        measured,
        droppedLogBytes,
        eventLoopDelayMs: host.takeEventLoopDelayMs(),
      });
    }
    if (attempts.isDraining && !this.#hasSaidGoingAway) {
      this.#hasSaidGoingAway = true;
      return goingAwayRequest();
    }
    const message = attempts.nextMessage();
    return message && attemptRequest(message);
  }

  #dueAtMs(): number {
    const isWelcome = this.#welcomedAtMs !== undefined;
    return isWelcome ? this.#deps.attempts.dueAtMs() : Number.POSITIVE_INFINITY;
  }

  #handle(message: SessionResponse["message"]): void {
    const { attempts } = this.#deps;
    if (message.case === "welcome") {
      this.#welcome(message.value);
      return;
    }
    if (this.#welcomedAtMs === undefined) throw unwelcome();
    switch (message.case) {
      case "assignment":
        this.#assign(message.value);
        return;
      case "cancelAttempt":
        attempts.cancel(fromProtoRef(message.value.ref));
        return;
      case "abandonAttempt":
        attempts.abandon(fromProtoRef(message.value.ref));
        return;
      case "logAck":
        attempts.ackLog(fromProtoLogAck(message.value));
        return;
      case "resultAck":
        attempts.ackResult(fromProtoRef(message.value.ref), message.value.accepted);
        return;
      case "drain":
        this.#deps.onDrain();
        return;
      case undefined:
        // A newer server may say what this worker does not know; it cannot be anything it depends on.
        this.#deps.log.warn({ event: "session.unknown_message" });
        return;
    }
  }

  #assign({ ref, spec, secrets }: Assignment): void {
    this.#deps.attempts.assign(fromProtoRef(ref), fromProtoSpec(spec, secrets));
  }

  #welcome({ workerId, heartbeatInterval, logAcks }: Welcome): void {
    if (this.#welcomedAtMs !== undefined) return;
    const { clock, log, attempts } = this.#deps;
    const acks = logAcks.map(fromProtoLogAck);
    this.#welcomedAtMs = clock.monotonicMs();
    log.info({ event: "session.opened", workerId, attempts: attempts.refs.length });
    attempts.restart(acks);
    const everyMs =
      heartbeatInterval === undefined ? DEFAULT_HEARTBEAT_MS : durationMs(heartbeatInterval);
    const beat = (): void => {
      this.#beat();
      void this.#look();
    };
    this.#cleanups.push(startHeartbeat(clock, everyMs, beat));
    this.#requests.wake();
  }

  #beat(): void {
    this.#isHeartbeatDue = true;
    this.#requests.wake();
  }

  /** The server hears at once of a disk that ran full, or else it would go on placing what is refused. */
  async #look(): Promise<void> {
    if (await this.#deps.host.look()) this.#beat();
  }

  #end(message: string): SessionEnd {
    if (this.#isClosing) return { kind: "closed" };
    const nowMs = this.#deps.clock.monotonicMs();
    return { kind: "lost", message, lastedMs: nowMs - (this.#welcomedAtMs ?? nowMs) };
  }

  /** Cuts the session after `ms`, unless it is over or, before `welcome`, has been welcomed by then. */
  #abortAfter(ms: number, reason: string): () => void {
    return this.#deps.clock.startTimer(ms, () => {
      if (this.#welcomedAtMs !== undefined && !this.#isClosing) return;
      this.#abort.abort(new ConnectError(reason, Code.DeadlineExceeded));
    });
  }
}

const describe = (error: unknown): string =>
  error instanceof ConnectError ? `${Code[error.code]}: ${error.rawMessage}` : String(error);

function unwelcome(): PlatformError {
  return new PlatformError(
    "internal",
    "malformed_message",
    "the server began the session with something else than a welcome",
  );
}

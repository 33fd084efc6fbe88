import { once } from "node:events";
import { createServer, type Server } from "node:http";
import {
  createServer as createHttp2Server,
  type Http2Server,
  type ServerHttp2Session,
} from "node:http2";
import { createServer as createHttpsServer, type Server as HttpsServer } from "node:https";
import type { AddressInfo, Socket } from "node:net";
import { createSecureContext, type TLSSocket, type TlsOptions } from "node:tls";
import { Code, ConnectError } from "@connectrpc/connect";
import { type Component, invariant, type Logger, PlatformError } from "@hodei/domain";
import { detectProtocol, type Protocol } from "./detect-protocol.ts";
import { type PingOptions, pingSession } from "./ping-session.ts";
import type { RequestHandler } from "./request-handler.ts";
import type { Unfinished } from "./until-aborted.ts";

/** How long a client may take to send its first bytes, its headers, or its part of a TLS handshake. */
const GREETING_TIMEOUT_MS = 10_000;
/** Of all headers of one request, uncompressed; larger ones are refused. */
const MAX_HEADER_BYTES = 16 * 1024;
/** What one HTTP/2 connection may hold in buffers, in MB; at the bound its new calls are refused. Several large answers fit. */
const MAX_SESSION_MEMORY_MB = 32;
const DEFAULT_STOP_GRACE_MS = 5_000;
/** How often a stopping listener looks for HTTP/1.1 connections that have become idle. */
const IDLE_CHECK_INTERVAL_MS = 50;
/** TCP asks a silent peer whether it lives after this long; HTTP/2 pings sooner. */
const TCP_KEEPALIVE_MS = 30_000;

/** What a TLS listener shows; PEM. */
export interface TlsCertificate {
  readonly keyPem: string;
  /** Leaf first. */
  readonly chainPem: string;
}

export interface HttpListenerOptions {
  /** For logs and errors, such as `public`. */
  readonly name: string;
  readonly host: string;
  /** 0: any that is free. */
  readonly port: number;
  /** How the port is set, for the error when it is taken. */
  readonly portSetting: string;
  /** Without it the listener speaks plaintext. */
  readonly certificate?: TlsCertificate;
  /** Root (PEM) for client certificates, which are then asked for but not demanded. */
  readonly clientRootPem?: string;
  /** Whether HTTP/1.1 is served beside HTTP/2. */
  readonly http1: boolean;
  /** At the bound further connections are closed at once. */
  readonly maxConnectionCount: number;
  /** Calls at once on one HTTP/2 connection; further ones wait at the client. */
  readonly maxStreamCount: number;
  readonly ping: PingOptions;
  /** How long calls may go on after `stop`; then their connections are cut. Default: 5 s. */
  readonly stopGraceMs?: number;
}

/** What the calls of a listener share with it. */
export interface ListenerCalls {
  readonly handler: RequestHandler;
  /** Aborted when the listener stops; ends streams. */
  readonly shutdown: AbortController;
  readonly unfinished: Unfinished;
}

/** One port that speaks HTTP/2, and HTTP/1.1 if wanted: by the first bytes in plaintext, by ALPN over TLS. */
export class HttpListener implements Component {
  readonly #options: HttpListenerOptions;
  readonly #calls: ListenerCalls;
  readonly #log: Logger;
  readonly #server: Server | HttpsServer;
  readonly #serveHttp1: (socket: Socket) => void;
  readonly #http2: Http2Server;
  readonly #sockets = new Set<Socket>();
  readonly #sessions = new Set<ServerHttp2Session>();
  #activeCount = 0;
  #idleSince = new Date();
  #full = false;
  #started: Promise<void> | undefined;
  #stopped: Promise<void> | undefined;

  /** @throws PlatformError `failed_precondition` if the certificate cannot be used */
  constructor(
    { log }: { readonly log: Logger },
    options: HttpListenerOptions,
    calls: ListenerCalls,
  ) {
    this.#options = options;
    this.#calls = calls;
    this.#log = log;
    const handler: RequestHandler = (request, response) => {
      this.#activeCount += 1;
      response.once("close", () => {
        this.#activeCount -= 1;
        this.#idleSince = new Date();
      });
      calls.handler(request, response);
    };
    const limits = {
      maxHeaderSize: MAX_HEADER_BYTES,
      headersTimeout: GREETING_TIMEOUT_MS,
      keepAlive: true,
      keepAliveInitialDelay: TCP_KEEPALIVE_MS,
    };
    this.#server =
      options.certificate === undefined
        ? createServer(limits, handler)
        : createHttpsServer({ ...limits, ...this.#tlsOptions(options.certificate) }, handler);
    this.#http2 = createHttp2Server(
      {
        maxSessionMemory: MAX_SESSION_MEMORY_MB,
        settings: {
          maxConcurrentStreams: options.maxStreamCount,
          maxHeaderListSize: MAX_HEADER_BYTES,
        },
      },
      handler,
    );
    this.#serveHttp1 = this.#takeConnections();
    this.#http2.on("session", (session) => this.#keep(session));
  }

  /** @throws PlatformError `failed_precondition` if the address cannot be taken */
  async start(): Promise<void> {
    invariant(this.#stopped === undefined, "a stopped listener does not start again");
    this.#started ??= this.#listen();
    return this.#started;
  }

  /** Where it listens; only after `start`. */
  get address(): { readonly host: string; readonly port: number } {
    const address = this.#server.address() as AddressInfo | null;
    invariant(address !== null, "the listener has started");
    return { host: address.address, port: address.port };
  }

  /** Since when no call has been under way; `null` while one is. */
  get idleSince(): Date | null {
    return this.#activeCount > 0 ? null : this.#idleSince;
  }

  /**
   * Shows another certificate to new connections; open ones go on.
   * @throws PlatformError `failed_precondition` if it cannot be used; the one before stays then
   */
  setCertificate(certificate: TlsCertificate): void {
    invariant("setSecureContext" in this.#server, "the listener speaks TLS");
    this.#server.setSecureContext(this.#tlsOptions(certificate));
  }

  /**
   * Takes no more connections, ends streams with `unavailable`, and lets calls with one answer finish while
   * `stopGraceMs` lasts; then cuts what is left.
   */
  async stop(): Promise<void> {
    this.#stopped ??= this.#close();
    return this.#stopped;
  }

  #tlsOptions({ keyPem, chainPem }: TlsCertificate): TlsOptions {
    const { name, clientRootPem, http1 } = this.#options;
    try {
      createSecureContext({ key: keyPem, cert: chainPem });
    } catch (cause) {
      throw certificateError(name, cause);
    }
    return {
      key: keyPem,
      cert: chainPem,
      ALPNProtocols: http1 ? ["h2", "http/1.1"] : ["h2"],
      minVersion: "TLSv1.2",
      handshakeTimeout: GREETING_TIMEOUT_MS,
      ...(clientRootPem !== undefined && {
        ca: clientRootPem,
        requestCert: true,
        rejectUnauthorized: false,
      }),
    };
  }

  /** Puts itself before the server's own handling of connections, which is for HTTP/1.1 and is returned. */
  #takeConnections(): (socket: Socket) => void {
    const server = this.#server;
    server.maxConnections = this.#options.maxConnectionCount;
    const event = this.#options.certificate === undefined ? "connection" : "secureConnection";
    const [serveHttp1] = server.listeners(event);
    invariant(serveHttp1 !== undefined, "an HTTP server listens for connections");
    server.removeAllListeners(event);
    if (event === "connection") {
      server.on("connection", (socket: Socket) => void this.#serveDetected(socket));
    } else {
      server.on("secureConnection", (socket: TLSSocket) => {
        this.#serve(socket, socket.alpnProtocol === "h2" ? "http2" : "http1");
      });
    }
    server.on("connection", (socket: Socket) => {
      this.#full = false;
      this.#sockets.add(socket);
      socket.once("close", () => this.#sockets.delete(socket));
    });
    server.on("drop", () => {
      if (!this.#full) this.#log.warn("connections_refused", { listener: this.#options.name });
      this.#full = true;
    });
    return (socket) => serveHttp1.call(server, socket);
  }

  async #serveDetected(socket: Socket): Promise<void> {
    const protocol = await detectProtocol(socket, {
      timeoutMs: GREETING_TIMEOUT_MS,
      signal: this.#calls.shutdown.signal,
    });
    if (protocol !== undefined) this.#serve(socket, protocol);
  }

  #serve(socket: Socket, protocol: Protocol): void {
    if (this.#stopped !== undefined) socket.destroy();
    else if (protocol === "http2") this.#http2.emit("connection", socket);
    else if (this.#options.http1) this.#serveHttp1(socket);
    else socket.destroy();
  }

  #keep(session: ServerHttp2Session): void {
    this.#sessions.add(session);
    session.once("close", () => this.#sessions.delete(session));
    pingSession(session, this.#options.ping, () => {
      this.#log.warn("peer_lost", { listener: this.#options.name });
    });
  }

  async #listen(): Promise<void> {
    const { host, port } = this.#options;
    try {
      this.#server.listen({ host, port });
      await once(this.#server, "listening");
    } catch (error) {
      throw listenError(this.#options, error);
    }
    // Later errors concern single connections that could not be accepted.
    this.#server.on("error", (error) => {
      this.#log.warn("accept_failed", { listener: this.#options.name, error });
    });
  }

  async #close(): Promise<void> {
    this.#calls.shutdown.abort(new ConnectError("the server is stopping", Code.Unavailable));
    // A start that failed has left nothing open, and its caller has been told.
    await this.#started?.catch(() => undefined);
    const closed = this.#server.listening ? once(this.#server, "close") : Promise.resolve();
    this.#server.close();
    for (const session of this.#sessions) session.close();
    const idleCheck = setInterval(() => {
      this.#server.closeIdleConnections();
    }, IDLE_CHECK_INTERVAL_MS);
    const { promise: graceOver, resolve: endGrace } = Promise.withResolvers<void>();
    const grace = setTimeout(endGrace, this.#options.stopGraceMs ?? DEFAULT_STOP_GRACE_MS);
    const finished = closed.then(() => Promise.all(this.#calls.unfinished));
    await Promise.race([finished, graceOver]);
    for (const socket of this.#sockets) socket.destroy();
    await closed;
    clearInterval(idleCheck);
    clearTimeout(grace);
  }
}

function listenError(options: HttpListenerOptions, cause: unknown): PlatformError {
  const { name, host, port, portSetting } = options;
  const { code, message } = cause as NodeJS.ErrnoException;
  const refuse = (reason: string, text: string) =>
    new PlatformError("failed_precondition", reason, text, { cause });
  switch (code) {
    case "EADDRINUSE":
      return refuse(
        "port_taken",
        `port ${port} on ${host} is taken by another program; stop that, or choose another port for the ${name} listener with ${portSetting} (0: any that is free)`,
      );
    case "EACCES":
      return refuse(
        "port_not_permitted",
        `this user may not listen on port ${port}; choose one above 1023 for the ${name} listener with ${portSetting}`,
      );
    default:
      return refuse("cannot_listen", `cannot listen on ${host} port ${port}: ${message}`);
  }
}

function certificateError(name: string, cause: unknown): PlatformError {
  const why = cause instanceof Error ? cause.message : String(cause);
  return new PlatformError(
    "failed_precondition",
    "certificate_unusable",
    `the ${name} listener cannot use its certificate and key: ${why}; both must be PEM and belong together`,
    { cause },
  );
}

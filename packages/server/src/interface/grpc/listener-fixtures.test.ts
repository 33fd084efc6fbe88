import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import { type ConnectRouter, createConnectRouter, createContextValues } from "@connectrpc/connect";
import type { Logger } from "@hodei/domain";
import { SequenceIds } from "@hodei/testkit";
import { HttpListener, type HttpListenerOptions } from "./http-listener.ts";
import { createRequestHandler } from "./request-handler.ts";
import { translateErrors } from "./translate-errors.ts";
import { endAbortedStreams, type Unfinished } from "./until-aborted.ts";

export interface LogLine {
  readonly level: "info" | "warn" | "error";
  readonly event: string;
  readonly fields: Readonly<Record<string, unknown>>;
}

/** A logger that keeps its lines. */
export function recordLog(): Logger & { readonly lines: readonly LogLine[] } {
  const lines: LogLine[] = [];
  const at =
    (level: LogLine["level"]) =>
    (event: string, fields: LogLine["fields"] = {}) => {
      lines.push({ level, event, fields });
    };
  return { lines, info: at("info"), warn: at("warn"), error: at("error") };
}

/** A listener with the services that `routes` adds, and with what every listener of ours does to calls. */
export function createListener(
  routes: (router: ConnectRouter) => void,
  options: Partial<HttpListenerOptions> = {},
  log: Logger = recordLog(),
): HttpListener {
  const shutdown = new AbortController();
  const unfinished: Unfinished = new Set();
  const router = createConnectRouter({
    interceptors: [translateErrors({ log, ids: new SequenceIds() }), endAbortedStreams(unfinished)],
    shutdownSignal: shutdown.signal,
    readMaxBytes: 1024 * 1024,
  });
  routes(router);
  const handler = createRequestHandler({ log }, router, {
    headers: { "x-content-type-options": "nosniff" },
    contextValues: createContextValues,
  });
  return new HttpListener(
    { log },
    {
      name: "test",
      host: "127.0.0.1",
      port: 0,
      portSetting: "--test-port",
      http1: true,
      maxConnectionCount: 100,
      maxStreamCount: 100,
      ping: { intervalMs: 60_000, timeoutMs: 60_000 },
      ...options,
    },
    { handler, shutdown, unfinished },
  );
}

/** A TCP proxy to `port` that can fall silent in both directions without closing anything. */
export async function startProxy(port: number): Promise<{
  readonly port: number;
  fallSilent(): void;
  stop(): void;
}> {
  const sockets: Socket[] = [];
  const server = createServer((client) => {
    const upstream = connect(port, "127.0.0.1");
    sockets.push(client, upstream);
    client.pipe(upstream).pipe(client);
    client.on("error", () => upstream.destroy());
    upstream.on("error", () => client.destroy());
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    port: (server.address() as AddressInfo).port,
    fallSilent: () => {
      for (const socket of sockets) socket.unpipe().pause();
    },
    stop: () => {
      server.close();
      for (const socket of sockets) socket.destroy();
    },
  };
}

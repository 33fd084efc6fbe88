import { type ConnectRouter, createRouterTransport } from "@connectrpc/connect";
import { createClientOver, type HodeiClient } from "./client.ts";
import { fillIdempotencyKeys, retryUnavailable } from "./interceptors.ts";

/** A client of services that run in this process, without a network: for tests of programs that use the SDK. */
export function createInProcessClient(routes: (router: ConnectRouter) => void): HodeiClient {
  const interceptors = [fillIdempotencyKeys, retryUnavailable];
  return createClientOver(createRouterTransport(routes, { transport: { interceptors } }));
}

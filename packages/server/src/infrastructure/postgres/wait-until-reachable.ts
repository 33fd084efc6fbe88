import { setTimeout as delay } from "node:timers/promises";
import { isPlatformError, PlatformError } from "@hodei/domain";
import pg from "pg";
import { clientConfig, type PostgresAddress } from "./connection.ts";
import { toPlatformError } from "./postgres-error.ts";

const FIRST_PAUSE_MS = 100;
const PAUSE_MAX_MS = 5_000;

export interface ReachabilityOptions {
  readonly address: PostgresAddress;
  /** Told of each failed try, and how long it is until the next. */
  readonly onUnreachable: (error: PlatformError, nextTryInMs: number) => void;
  readonly signal: AbortSignal;
}

/**
 * Resolves once the server accepts a connection; tries for ever, with pauses of up to 5 s.
 * @throws PlatformError at once if the server is there but does not let us in; `cancelled` after `signal`
 */
export async function waitUntilReachable(options: ReachabilityOptions): Promise<void> {
  const { address, onUnreachable, signal } = options;
  for (let pauseMs = FIRST_PAUSE_MS; ; pauseMs = Math.min(PAUSE_MAX_MS, pauseMs * 2)) {
    if (signal.aborted) throw stopped();
    const error = await tryConnection(address);
    if (error === undefined) return;
    if (!isPlatformError(error, "unavailable")) throw error;
    onUnreachable(error, pauseMs);
    await delay(pauseMs, undefined, { signal }).catch(() => {
      throw stopped();
    });
  }
}

async function tryConnection(address: PostgresAddress): Promise<PlatformError | undefined> {
  const client = new pg.Client(clientConfig(address));
  client.on("error", () => undefined); // `connect` rejects with it
  try {
    await client.connect();
    await client.end();
    return undefined;
  } catch (error) {
    return toPlatformError(error);
  }
}

function stopped(): PlatformError {
  return new PlatformError("cancelled", "stopped", "stopped before the database could be reached");
}

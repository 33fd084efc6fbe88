import type { Random } from "@hodei/domain";
import { reconnectDelayMs } from "./backoff.ts";
import type { Connection } from "./connection.ts";
import { Session, type SessionDeps } from "./session.ts";

/** A session that lasted this long was a good one: the next failure counts as the first. */
const STABLE_AFTER_MS = 10_000;

export interface SessionLoopDeps extends SessionDeps {
  readonly random: Random;
  /** A connection to the server with the worker's certificate. */
  readonly connect: () => Connection;
}

/** Why the loop ended. */
export type LoopEnd =
  | { readonly kind: "left" }
  | { readonly kind: "refused"; readonly message: string };

/** Keeps one session open, until told to leave or refused by the server; attempts go on between two sessions. */
export class SessionLoop {
  readonly #deps: SessionLoopDeps;
  readonly #leaving = new AbortController();

  constructor(deps: SessionLoopDeps) {
    this.#deps = deps;
  }

  /** To be called once. Rejects for bugs only. */
  async run(): Promise<LoopEnd> {
    const { clock, random, log } = this.#deps;
    const { signal } = this.#leaving;
    let failures = 0;
    while (!signal.aborted) {
      const session = new Session(this.#deps, this.#deps.connect());
      const leave = (): void => session.close();
      signal.addEventListener("abort", leave);
      const end = await session.run();
      signal.removeEventListener("abort", leave);
      if (end.kind === "refused") return end;
      if (end.kind === "closed") break;
      if (end.lastedMs >= STABLE_AFTER_MS) failures = 0;
      const delayMs = Math.round(reconnectDelayMs(failures, random));
      failures += 1;
      log.warn({ event: "session.lost", message: end.message, delayMs });
      await clock.sleep(delayMs, signal);
    }
    return { kind: "left" };
  }

  /** Ends the session, or the attempts to open one. Repeats are safe. */
  leave(): void {
    this.#leaving.abort();
  }
}

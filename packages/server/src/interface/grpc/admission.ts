import { PlatformError } from "@hodei/domain";
import { type Gate, translatedGate } from "./authenticate.ts";

export interface CallLimits {
  /** Calls with one answer, under way at once. */
  readonly unaryMax: number;
  /** Streams open at once: tails, watchers, readers of events. */
  readonly streamMax: number;
}

/**
 * Refuses calls beyond `limits` as `unavailable`, reason `too_many_calls`, before their bodies are read: each that is let
 * in holds memory until the database has answered, however long that takes.
 */
export function admitCalls({ unaryMax, streamMax }: CallLimits): Gate {
  const underWay = { unary: 0, stream: 0 };
  const limits = { unary: unaryMax, stream: streamMax };
  return translatedGate(({ method, signal }) => {
    const kind = method.methodKind === "unary" ? "unary" : "stream";
    if (underWay[kind] >= limits[kind]) {
      throw new PlatformError(
        "unavailable",
        "too_many_calls",
        `${limits[kind]} calls are under way here already; try again`,
      );
    }
    underWay[kind] += 1;
    // Aborted at the end of each call, however it ends.
    signal.addEventListener(
      "abort",
      () => {
        underWay[kind] -= 1;
      },
      { once: true },
    );
  });
}

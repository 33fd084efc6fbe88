import {
  type AttemptRef,
  type Command,
  invariant,
  type JobSpec,
  type Outcome,
} from "@hodei/domain";
import { hash } from "./random.ts";

/** What a simulated job does; travels in its argv, as a real one would. */
export interface Program {
  readonly durationMs: number;
  /** Output, written in `writeCount` equal parts over the duration. */
  readonly outputBytes: number;
  readonly writeCount: number;
  /** Exits with 1 in its first so many attempts, with 0 after. */
  readonly failures: number;
}

const NAME = "simulate";

export function toCommand({ durationMs, outputBytes, writeCount, failures }: Program): Command {
  const numbers = [durationMs, outputBytes, writeCount, failures];
  return { kind: "command", argv: [NAME, ...numbers.map(String)] };
}

export function fromSpec({ work }: JobSpec): Program {
  invariant(work.kind === "command" && work.argv[0] === NAME, "simulated jobs run programs");
  const [durationMs = 0, outputBytes = 0, writeCount = 0, failures = 0] = work.argv
    .slice(1)
    .map(Number);
  return { durationMs, outputBytes, writeCount, failures };
}

/**
 * Bytes `from` to `to` of what the attempt writes. They depend on its lease token, so bytes of another attempt, or of the
 * same one under an older lease, are told apart.
 */
export function outputOf({ jobId, attempt, leaseToken }: AttemptRef, from: number, to: number) {
  const seed = hash(`${jobId}/${attempt}/${leaseToken}`);
  return Uint8Array.from({ length: Math.max(0, to - from) }, (_, index) => {
    const offset = from + index;
    return (seed + offset * 31 + (offset >>> 8) * 17) & 0xff;
  });
}

/**
 * The outcome, marked with the lease it was reported under: what the checkers know an accepted result by. In place of the
 * signal, for servers may put a message of their own.
 */
export function marked(outcome: Omit<Outcome, "message" | "signal">, ref: AttemptRef): Outcome {
  return { ...outcome, signal: `${MARK}${ref.leaseToken}`, message: "" };
}

/** Lease token under which a worker reported `outcome`; `undefined` if the platform made it. */
export function markOf(outcome: Outcome | null): string | undefined {
  return outcome?.signal?.startsWith(MARK) ? outcome.signal.slice(MARK.length) : undefined;
}

const MARK = "reported under ";

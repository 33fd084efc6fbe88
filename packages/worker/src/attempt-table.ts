import {
  type AttemptRef,
  type LogAck,
  MAX_ATTEMPT_COUNT,
  type Outcome,
  outcomeOf,
} from "@hodei/domain";
import type { AttemptSpec } from "./attempt-run.ts";
import { type AttemptMessage, HeldAttempt, type HeldAttemptDeps } from "./held-attempt.ts";
import type { FoundAttempt } from "./spool/spool.ts";

/** Refusals not yet sent; the oldest is dropped then, and its job returns to waiting by the server's own time-out. */
const MAX_REFUSALS = 1_000;

export interface AttemptTableDeps extends Omit<HeldAttemptDeps, "onChange"> {
  /** What keeps the machine from such an attempt now, for people. */
  readonly findObstacle: (spec: AttemptSpec) => string | undefined;
}

/**
 * The attempts this worker holds, and what is to be said about them. Knows nothing of sockets: a session calls it for
 * each message of the server and takes messages out of it.
 *
 * An attempt is held from its assignment until its result is acked or the server takes it away. Messages about attempts
 * that are not held, or under another lease, change nothing: they are late, and the server fences what matters.
 */
export class AttemptTable {
  readonly #deps: AttemptTableDeps;
  /** In the order in which they get to speak; who has spoken goes to the end. */
  readonly #held = new Map<string, HeldAttempt>();
  /** Taken away by the server; their processes may still be ending. */
  readonly #abandoned = new Set<HeldAttempt>();
  readonly #refusals: AttemptMessage[] = [];
  readonly #listeners = new Set<() => void>();
  #isDraining = false;

  constructor(deps: AttemptTableDeps) {
    this.#deps = deps;
  }

  get refs(): AttemptRef[] {
    return [...this.#held.values()].map(({ ref }) => ref);
  }

  /** Whether new attempts are refused because the worker is about to leave. */
  get isDraining(): boolean {
    return this.#isDraining;
  }

  /** Log bytes that were left out because a spool was full, since the worker started. */
  get droppedLogBytes(): number {
    return this.#deps.spool.budget.droppedBytes;
  }

  /** Attempts whose processes have not ended, those that were taken away included. */
  get runningCount(): number {
    const running = [...this.#held.values()].filter((attempt) => attempt.isRunning);
    return running.length + this.#abandoned.size;
  }

  get isEmpty(): boolean {
    return this.#held.size === 0 && this.#abandoned.size === 0;
  }

  /** Starts the attempt, or says again that it is here; refuses it when draining, full or kept from it. */
  assign(ref: AttemptRef, spec: AttemptSpec): void {
    const held = this.#held.get(keyOf(ref));
    if (held?.ref.leaseToken === ref.leaseToken) {
      held.repeatStart();
      return;
    }
    const problem = this.#findRefusal(held, spec);
    if (problem !== undefined) {
      this.#refuse(ref, problem);
      return;
    }
    const attempt = HeldAttempt.start({ ...this.#deps, onChange: this.#changed }, ref, spec);
    this.#held.set(keyOf(ref), attempt);
    this.#deps.log.info({ event: "attempt.taken", ...idsOf(ref) });
    void this.#follow(attempt);
    this.#changed();
  }

  /** Holds attempts of an earlier worker until the server has what it wants of them. */
  resume(found: readonly FoundAttempt[]): void {
    for (const attempt of found) {
      const { ref } = attempt;
      const facts = { isReported: attempt.report !== undefined, logBytes: attempt.spool.endOffset };
      this.#deps.log.warn({ event: "attempt.resumed", ...idsOf(ref), ...facts });
      const held = HeldAttempt.resume({ ...this.#deps, onChange: this.#changed }, attempt);
      this.#held.set(keyOf(ref), held);
    }
    this.#changed();
  }

  cancel(ref: AttemptRef): void {
    this.#find(ref)?.terminate(outcomeOf("cancelled_by", "The job was cancelled."));
  }

  /** Ends the attempt without grace and forgets it. */
  abandon(ref: AttemptRef): void {
    const attempt = this.#find(ref);
    if (attempt === undefined) return;
    this.#deps.log.warn({ event: "attempt.abandoned", ...idsOf(ref) });
    this.#held.delete(keyOf(ref));
    if (attempt.isRunning) this.#abandoned.add(attempt);
    attempt.abandon();
    this.#changed();
  }

  ackLog({ ref, offset }: LogAck): void {
    this.#find(ref)?.ackLog(offset);
  }

  /** The server has the result, or will never want it. */
  ackResult(ref: AttemptRef, accepted: boolean): void {
    const attempt = this.#find(ref);
    if (attempt === undefined || attempt.isRunning) return;
    if (!accepted) this.#deps.log.warn({ event: "attempt.result_refused", ...idsOf(ref) });
    this.#held.delete(keyOf(ref));
    attempt.forget();
    this.#changed();
  }

  /**
   * Begins a new session: each attempt says again what is not acked. One that `acks` does not name says it from where
   * the last ack was; it is ended only if the server asks for it.
   */
  restart(acks: readonly LogAck[]): void {
    this.#refusals.length = 0;
    const offsets = new Map(acks.map(({ ref, offset }) => [keyOf(ref), offset]));
    for (const [key, attempt] of this.#held) attempt.restart(offsets.get(key));
  }

  /** Takes nothing new from now on. */
  drain(): void {
    this.#isDraining = true;
    this.#changed();
  }

  terminateAll(outcome: Outcome): void {
    for (const attempt of this.#held.values()) attempt.terminate(outcome);
  }

  killAll(): void {
    for (const attempt of [...this.#held.values(), ...this.#abandoned]) attempt.kill();
  }

  /** Earliest instant (monotonic ms) at which `nextMessage` may have something; `Infinity`: after a change only. */
  dueAtMs(): number {
    if (this.#refusals.length > 0) return Number.NEGATIVE_INFINITY;
    let earliestMs = Number.POSITIVE_INFINITY;
    for (const attempt of this.#held.values()) earliestMs = Math.min(earliestMs, attempt.dueAtMs());
    return earliestMs;
  }

  /** What is to be said now. Attempts take turns, message by message, so that a flood of one does not silence others. */
  nextMessage(): AttemptMessage | undefined {
    const refusal = this.#refusals.shift();
    if (refusal !== undefined) return refusal;
    for (const [key, attempt] of this.#held) {
      const message = attempt.nextMessage();
      if (message === undefined) continue;
      this.#held.delete(key);
      this.#held.set(key, attempt);
      return message;
    }
    return undefined;
  }

  /** Calls `listener` whenever something may have changed; the result ends that. */
  subscribe(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Resolves when `condition` holds, or `signal` aborts. */
  until(condition: () => boolean, signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const check = (): void => {
        if (!condition() && !signal.aborted) return;
        unsubscribe();
        signal.removeEventListener("abort", check);
        resolve();
      };
      const unsubscribe = this.subscribe(check);
      signal.addEventListener("abort", check);
      check();
    });
  }

  readonly #changed = (): void => {
    for (const listener of this.#listeners) listener();
  };

  async #follow(attempt: HeldAttempt): Promise<void> {
    const { ref, outcome, logBytes, processesLeft } = await attempt.ended();
    const { reason, exitCode, signal } = outcome;
    const facts = { reason, exitCode, signal, logBytes, processesLeft };
    this.#deps.log.info({ event: "attempt.ended", ...idsOf(ref), ...facts });
    this.#abandoned.delete(attempt);
    this.#changed();
  }

  #find(ref: AttemptRef): HeldAttempt | undefined {
    const attempt = this.#held.get(keyOf(ref));
    return attempt?.ref.leaseToken === ref.leaseToken ? attempt : undefined;
  }

  #findRefusal(held: HeldAttempt | undefined, spec: AttemptSpec): string | undefined {
    if (held !== undefined) return "the attempt is held under another lease";
    if (this.#isDraining) return "the worker is leaving";
    if (this.#held.size >= MAX_ATTEMPT_COUNT)
      return `the worker holds ${MAX_ATTEMPT_COUNT} attempts`;
    return this.#deps.findObstacle(spec);
  }

  #refuse(ref: AttemptRef, message: string): void {
    this.#deps.log.warn({ event: "attempt.refused", ...idsOf(ref), message });
    if (this.#refusals.length === MAX_REFUSALS) this.#refusals.shift();
    this.#refusals.push({ type: "attempt_refused", ref, message });
    this.#changed();
  }
}

const keyOf = ({ jobId, attempt }: AttemptRef): string => `${jobId}/${attempt}`;

const idsOf = ({ jobId, attempt }: AttemptRef) => ({ jobId, attempt });

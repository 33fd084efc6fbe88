import type { Random } from "./clock.ts";
import { EXIT_REASONS, type ExitReason } from "./exit-reasons.ts";

export interface RetryPolicy {
  /** Attempts that may start, the first included; at least 1. */
  readonly maxAttempts: number;
  /** Upper bound of the first delay; doubles with each attempt. */
  readonly baseDelayMs: number;
  /** Upper bound of every delay. */
  readonly maxDelayMs: number;
  /** Retried reasons; empty: those that `EXIT_REASONS` calls retryable. */
  readonly reasons: readonly ExitReason[];
}

/** One attempt: a job that is not known to be repeatable is not repeated. */
export const DEFAULT_RETRY_POLICY: RetryPolicy = {
  maxAttempts: 1,
  baseDelayMs: 1_000,
  maxDelayMs: 300_000,
  reasons: [],
};

/** Whether the policy repeats an attempt that ended for `reason`. A success or a cancel is never repeated. */
export function isRetried(policy: RetryPolicy, reason: ExitReason): boolean {
  if (reason === "completed" || reason === "cancelled_by") return false;
  return policy.reasons.length > 0
    ? policy.reasons.includes(reason)
    : EXIT_REASONS[reason].retryable;
}

/**
 * Delay before the next attempt in milliseconds, or `undefined` when no attempts are left.
 *
 * Uniform in [0, min(maxDelayMs, baseDelayMs * 2^(startedAttempts-1))), so that jobs that failed together do not
 * come back together. Source: "Exponential Backoff And Jitter" (full jitter), AWS Architecture Blog, 2015.
 */
export function retryDelayMs(
  policy: RetryPolicy,
  startedAttempts: number,
  random: Random,
): number | undefined {
  if (startedAttempts >= policy.maxAttempts) return undefined;
  const bound = Math.min(
    policy.maxDelayMs,
    policy.baseDelayMs * 2 ** Math.max(0, startedAttempts - 1),
  );
  return Math.floor(random() * bound);
}

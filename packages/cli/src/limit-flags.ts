import { ConflictPolicy } from "@hodei/proto/hodei/v1/job";
import type { JobSpecInit } from "@hodei/sdk";
import { type Command, Option } from "commander";
import { collectedBy, parsedBy } from "./define-command.ts";
import { UsageError } from "./errors.ts";
import { defined } from "./values/defined.ts";
import { parseDependency } from "./values/dependency.ts";
import { parseRateLimit } from "./values/rate-limit.ts";
import { wholeNumber } from "./values/scalars.ts";

/** Most jobs of one concurrency key that may run at once. */
const CONCURRENCY_LIMIT_MAX = 10_000;

const CONFLICT_POLICIES = {
  queue: ConflictPolicy.QUEUE,
  "cancel-in-progress": ConflictPolicy.CANCEL_IN_PROGRESS,
  "drop-newest": ConflictPolicy.DROP_NEWEST,
} as const;

/** Flags that say with which other jobs a job may run, and after which. */
export interface LimitFlags {
  readonly concurrencyKey?: string;
  readonly concurrencyLimit?: number;
  readonly onConflict?: keyof typeof CONFLICT_POLICIES;
  readonly rateLimit?: NonNullable<JobSpecInit["rateLimit"]>;
  readonly after?: NonNullable<JobSpecInit["after"]>;
}

export function withLimitOptions(command: Command): Command {
  return command
    .option("--concurrency-key <key>", "jobs with the same key take turns")
    .option(
      "--concurrency-limit <count>",
      "so many of them at once; default: 1",
      parsedBy(wholeNumber(1, CONCURRENCY_LIMIT_MAX)),
    )
    .addOption(
      new Option(
        "--on-conflict <what>",
        "when its key is taken: queue, cancel the older ones, or drop this one; default: queue",
      ).choices(Object.keys(CONFLICT_POLICIES)),
    )
    .option(
      "--rate-limit <key=count/duration>",
      "so many starts with the same key in any such time, such as api=5/1m",
      parsedBy(parseRateLimit),
    )
    .option(
      "--after <job[=condition]>",
      "wait until this job has succeeded; or with =failed or =any, until it has failed or ended; repeatable",
      collectedBy(parseDependency),
    );
}

/** What the flags say of the spec. @throws UsageError */
export function limitsOf(
  flags: LimitFlags,
): Pick<JobSpecInit, "after" | "concurrency" | "rateLimit"> {
  const { after, concurrencyKey: key, concurrencyLimit: limit, onConflict, rateLimit } = flags;
  if (key === undefined && (limit !== undefined || onConflict !== undefined)) {
    throw new UsageError("--concurrency-limit and --on-conflict are about a concurrency key", {
      next: "give one with --concurrency-key, or leave them out",
    });
  }
  const concurrency =
    key === undefined
      ? undefined
      : defined({ key, limit, onConflict: onConflict && CONFLICT_POLICIES[onConflict] });
  return defined({ after, concurrency, rateLimit });
}

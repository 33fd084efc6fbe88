import { join } from "node:path";
import { LogOverflow } from "@hodei/proto/hodei/v1/job";
import { durationFromMs, type JobSpecInit } from "@hodei/sdk";
import type { JobPlan } from "../plan/job-plan.ts";
import { BEHAVIOURS } from "../program/behaviours.ts";

/** What tells the jobs of one run from everything else on the machine. */
export interface RunMarks {
  /** Folder to which jobs write how far they got. */
  readonly progressDir: string;
  /** Argument of the sleepers that jobs leave behind. */
  readonly nap: string;
}

const PROGRAM = join(import.meta.dirname, "..", "program", "main.ts");

/** The request for a planned job. Its policy tries again after every reason that allows it. */
export function toJobSpec(plan: JobPlan, { progressDir, nap }: RunMarks): JobSpecInit {
  const { behaviour, task } = plan;
  return {
    name: plan.key,
    work: {
      case: "command",
      value: {
        argv: [
          "bash",
          "-c",
          BEHAVIOURS[behaviour].text,
          "chaos",
          process.execPath,
          PROGRAM,
          JSON.stringify(task),
        ],
      },
    },
    env: { CHAOS_PROGRESS: progressDir, CHAOS_NAP: nap, CHAOS_NUMBERS: String(task.writing.seed) },
    secrets: task.secretNames.map((name) => ({ name })),
    resources: { cpuMillis: plan.cpuMillis, memoryBytes: BigInt(plan.memoryBytes) },
    timeouts: { run: durationFromMs(plan.runTimeoutMs), grace: durationFromMs(plan.graceMs) },
    retryPolicy: { maxAttempts: plan.maxAttempts, baseDelay: durationFromMs(200) },
    logPolicy: { overflow: plan.overflow === "block" ? LogOverflow.BLOCK : LogOverflow.DROP },
  };
}

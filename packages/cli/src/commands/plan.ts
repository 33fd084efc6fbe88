import { type PlanJobResponse, PlanJobResponseSchema } from "@hodei/proto/hodei/v1/job_service";
import { messageToJson } from "@hodei/sdk";
import type { Command } from "commander";
import { type CommandContext, type ConnectionFlags, withConnection } from "../context.ts";
import {
  createCommand,
  type OutputFlags,
  withConnectionOptions,
  withOutputOption,
} from "../define-command.ts";
import { type JobFlags, placeJob, withJobOptions } from "../job-flags.ts";
import { planText } from "../output/explanation-view.ts";
import { print } from "../output/format.ts";
import { painter } from "../output/text.ts";
import { type DescribedFlags, readJobs, withFileOption } from "../read-jobs.ts";

type Flags = JobFlags & ConnectionFlags & OutputFlags & DescribedFlags;

const DESCRIPTION = `Says what would become of jobs, were they created now, as \`hodei jobs explain\` would. Creates nothing.

Takes what \`hodei submit\` takes: a job file, or flags and words. Exits with 0 whether a job would start or wait.

Examples:
  hodei plan -f job.yaml
  hodei plan --cpu 8 --constraint zone=a -- make`;

export function define(context: CommandContext, args: readonly string[]): Command {
  const command = withFileOption(withJobOptions(createCommand("plan", DESCRIPTION, context)));
  return withOutputOption(withConnectionOptions(command)).action(
    async (words: readonly string[], flags: Flags) => {
      const jobs = await readJobs(words, flags, args, context);
      await withConnection(context, flags, async (connection) => {
        const plans: PlanJobResponse[] = [];
        for (const job of jobs) {
          const { spec } = placeJob(job, connection, context);
          plans.push(await connection.client.jobs.planJob({ spec }));
        }
        await print(context, flags.output, {
          data: () => plans.map((plan) => messageToJson(PlanJobResponseSchema, plan)),
          text: () => plans.map((plan) => planText(plan, painter(context))).join("\n"),
        });
      });
    },
  );
}

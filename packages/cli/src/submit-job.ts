import { JobSchema } from "@hodei/proto/hodei/v1/job";
import { HodeiError, messageToJson } from "@hodei/sdk";
import type { CommandContext, Connection } from "./context.ts";
import type { OutputFlags } from "./define-command.ts";
import type { NewJob } from "./job-flags.ts";
import { print } from "./output/format.ts";

/** Creates a job and prints it: its id as text, all of it as data. */
export async function submitJob(
  request: NewJob,
  { client }: Pick<Connection, "client">,
  { output }: OutputFlags,
  context: Pick<CommandContext, "stdout">,
): Promise<void> {
  const { job } = await client.jobs.createJob(request);
  if (job === undefined) throw new HodeiError("internal", "internal", "the server sent no job");
  await print(context, output, {
    data: () => messageToJson(JobSchema, job),
    text: () => `${job.id}\n`,
  });
}

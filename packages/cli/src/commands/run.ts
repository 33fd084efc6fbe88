import type { Command } from "commander";
import { type CommandContext, type ConnectionFlags, withConnection } from "../context.ts";
import {
  createCommand,
  type OutputFlags,
  withConnectionOptions,
  withOutputOption,
} from "../define-command.ts";
import { type JobFlags, placeJob, readJob, withJobOptions } from "../job-flags.ts";
import { runAttached } from "../run-attached.ts";
import { submitJob } from "../submit-job.ts";

/** As of `docker run`: tells a failure of the platform from one of the job. */
export const failureExitCode = 125;

type Flags = JobFlags & ConnectionFlags & OutputFlags & { readonly detach?: true };

const DESCRIPTION = `Runs a job, streams its output and exits with its exit code.

The job's standard output and error come out of this command's, byte for byte. Exit codes: the job's own;
128+n if signal n ended it; 124 for the run time-out; 126 or 127 if the program could not be executed or was
not found; 130 if it was cancelled; 125 if the platform failed. The first Ctrl-C cancels the job and waits for
its end; the second leaves it alone.

Examples:
  hodei run -- make -j4
  hodei run --timeout 10m --retries 2 build.sh --fast
  hodei run --env TOKEN --stdin data.csv -- python3 import.py
  hodei run --detach -- sleep 3600`;

export function define(context: CommandContext, args: readonly string[]): Command {
  const command = withJobOptions(createCommand("run", DESCRIPTION, context)).option(
    "-d, --detach",
    "print the id of the job and leave it running",
  );
  return withOutputOption(withConnectionOptions(command)).action(
    async (words: readonly string[], flags: Flags) => {
      const request = await readJob(words, flags, args, context);
      await withConnection(context, flags, async (connection) => {
        const placed = placeJob(request, connection, context);
        if (flags.detach) await submitJob(placed, connection, flags, context);
        else await runAttached(placed, connection, context);
      });
    },
  );
}

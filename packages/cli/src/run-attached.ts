import type { Job } from "@hodei/proto/hodei/v1/job";
import { type HodeiError, runJob } from "@hodei/sdk";
import type { CommandContext, Connection } from "./context.ts";
import { exitCodeOfJob, exitCodeOfSignal } from "./exit-code.ts";
import type { NewJob } from "./job-flags.ts";
import { missingText } from "./output/missing-text.ts";
import { notice } from "./output/notice.ts";
import { BrokenPipe } from "./output/output.ts";
import { RunNotices } from "./run-notices.ts";

/**
 * Runs a job with its output on ours, and leaves the exit code that stands for its end. The first interrupt cancels
 * the job and waits for its end, the second leaves it alone. A job whose output nobody reads any more is cancelled.
 * @throws HodeiError; BrokenPipe
 */
export async function runAttached(
  request: NewJob,
  { client }: Pick<Connection, "client">,
  context: CommandContext,
): Promise<void> {
  const run = new AttachedRun(client, context);
  const stopListening = context.onInterrupt(() => run.interrupt());
  try {
    await run.follow(request);
  } finally {
    stopListening();
  }
}

class AttachedRun {
  readonly #client: Connection["client"];
  readonly #context: CommandContext;
  readonly #notices: RunNotices;
  readonly #detach = new AbortController();
  #job: Job | undefined;
  #isInterrupted = false;

  constructor(client: Connection["client"], context: CommandContext) {
    this.#client = client;
    this.#context = context;
    this.#notices = new RunNotices(client, context);
  }

  async follow(request: NewJob): Promise<void> {
    const { stdout, stderr } = this.#context;
    try {
      const job = await runJob(this.#client, request, {
        signal: this.#detach.signal,
        onCreated: (created) => this.#start(created),
        onChange: (changed) => this.#notices.tell(changed),
        onStdout: (bytes) => stdout.write(bytes),
        onStderr: (bytes) => stderr.write(bytes),
        onGap: (chunk) => notice(this.#context, missingText(chunk)),
      });
      await this.#notices.tellEnd(job);
      this.#context.exitCode = exitCodeOfJob(job);
    } catch (error) {
      await this.#leave(error);
    } finally {
      this.#notices.stop();
    }
  }

  /** The user wants out: first by the end of the job, then without it. */
  interrupt(): void {
    if (this.#isInterrupted) {
      this.#detach.abort();
      return;
    }
    this.#isInterrupted = true;
    if (this.#job === undefined) {
      void notice(
        this.#context,
        "cancelling the job as soon as it exists; Ctrl-C again leaves it alone",
      );
    } else {
      void this.#cancel(this.#job.id);
    }
  }

  #start(job: Job): void {
    this.#job = job;
    this.#notices.start(job);
    if (this.#isInterrupted) void this.#cancel(job.id);
  }

  async #cancel(jobId: string): Promise<void> {
    await notice(this.#context, `cancelling job ${jobId}; Ctrl-C again leaves it alone`);
    await this.#client.jobs.cancelJob({ jobId }).catch((error: HodeiError) => {
      if (this.#detach.signal.aborted) return;
      return notice(this.#context, `could not cancel job ${jobId}: ${error.message}`);
    });
  }

  async #leave(error: unknown): Promise<void> {
    const job = this.#job;
    if (this.#detach.signal.aborted) {
      this.#context.exitCode = exitCodeOfSignal("SIGINT");
      const text =
        job === undefined
          ? "left before the job was confirmed; see: hodei jobs list"
          : `left job ${job.id} to itself; see how it ends with: hodei jobs wait ${job.id}`;
      return notice(this.#context, text);
    }
    if (error instanceof BrokenPipe && job !== undefined) {
      // As a shell's pipeline ends a program whose reader has left. If this fails too, there is nobody to tell.
      await this.#client.jobs.cancelJob({ jobId: job.id }).catch(() => {});
    } else if (job !== undefined) {
      await notice(this.#context, followHint(job));
    }
    throw error;
  }
}

const followHint = (job: Job): string =>
  `job ${job.id} goes on; follow it with: hodei logs -f ${job.id}`;

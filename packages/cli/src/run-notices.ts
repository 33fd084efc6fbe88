import { ExitReason, type Job, JobState } from "@hodei/proto/hodei/v1/job";
import { timestampDate } from "@hodei/sdk";
import type { CommandContext, Connection } from "./context.ts";
import { enumWord } from "./output/enum-word.ts";
import { outcomeText } from "./output/job-view.ts";
import { notice } from "./output/notice.ts";
import { visible } from "./output/text.ts";
import { formatDuration } from "./values/duration.ts";

/** A job that waits longer gets its reason shown; and again when the reason has changed. */
const WAIT_SHOWN_MS = 2_000;

/** Tells on standard error what the output of a job does not: why it waits, that it is tried again, how it ended. */
export class RunNotices {
  readonly #client: Pick<Connection["client"], "jobs">;
  readonly #context: Pick<CommandContext, "stderr" | "now">;
  #timer: NodeJS.Timeout | undefined;
  #attempt = 0;
  #preemptionCount = 0;
  #lastSummary = "";

  constructor(
    client: Pick<Connection["client"], "jobs">,
    context: Pick<CommandContext, "stderr" | "now">,
  ) {
    this.#client = client;
    this.#context = context;
  }

  /** From here on a long wait is explained, until `stop`. */
  start(job: Job): void {
    this.stop();
    this.#timer = setInterval(() => void this.#explainWait(job.id), WAIT_SHOWN_MS);
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  /** Hears of a change. */
  tell(job: Job): void {
    if (job.state === JobState.RUNNING) this.stop();
    if (job.state !== JobState.PENDING || job.attempt <= this.#attempt) return;
    this.#attempt = job.attempt;
    const isPreempted = job.preemptionCount > this.#preemptionCount;
    this.#preemptionCount = job.preemptionCount;
    const what = isPreempted
      ? "gave up its place to a job of higher priority; it runs again when there is room"
      : `failed; ${this.#nextTry(job)}`;
    void notice(this.#context, `attempt ${job.attempt} ${what}`);
    if (isPreempted) this.start(job);
  }

  /** Says how the job ended, unless its exit code says it all. */
  async tellEnd({ id, state, outcome }: Job): Promise<void> {
    if (outcome?.reason === ExitReason.COMPLETED || outcome?.reason === ExitReason.NON_ZERO_EXIT) {
      return;
    }
    const how = outcome === undefined ? "" : ` (${outcomeText(outcome)})`;
    const why =
      outcome === undefined || outcome.message === "" ? "" : `: ${visible(outcome.message)}`;
    await notice(this.#context, `job ${id} ${enumWord(JobState, state)}${how}${why}`);
  }

  #nextTry(job: Job): string {
    const waitMs =
      job.runAt === undefined
        ? 0
        : timestampDate(job.runAt).getTime() - this.#context.now().getTime();
    return waitMs <= 0 ? "it is tried again" : `it is tried again in ${formatDuration(waitMs)}`;
  }

  async #explainWait(jobId: string): Promise<void> {
    // The reason is a courtesy: the next tick asks again, and the watch reports what really fails.
    const explanation = await this.#client.jobs.explainJob({ jobId }).catch(() => undefined);
    const isWaiting = explanation?.job?.state === JobState.PENDING;
    if (!isWaiting || explanation.summary === this.#lastSummary) return;
    this.#lastSummary = explanation.summary;
    await notice(this.#context, `job ${jobId}: ${visible(explanation.summary)}`);
  }
}

import { setTimeout as delay } from "node:timers/promises";
import { AttemptState, JobState } from "@hodei/proto/hodei/v1/job";
import { type HodeiClient, isFinal, watchJob } from "@hodei/sdk";
import type { ObservedEnd, Submission, TailRecord } from "../history/finished-run.ts";
import type { JobPlan } from "../plan/job-plan.ts";
import { findProcesses } from "../processes/process-list.ts";
import { type RunMarks, toJobSpec } from "./job-spec.ts";
import { isPassing, patiently } from "./patience.ts";
import { followLog } from "./read-logs.ts";

export interface ClientDeps {
  /** A client of any server; after a failure the next call may get another. */
  readonly anyClient: () => HodeiClient;
  readonly marks: RunMarks;
  /** Ends what still goes on. */
  readonly signal: AbortSignal;
}

/** A stream that brought nothing for so long is opened anew, on another server perhaps. */
const STREAM_LIMIT_MS = 120_000;

const STATE_NAMES: ReadonlyMap<JobState, string> = new Map([
  [JobState.SUCCEEDED, "succeeded"],
  [JobState.FAILED, "failed"],
  [JobState.CANCELLED, "cancelled"],
  [JobState.TIMED_OUT, "timed_out"],
]);

/** Those who use the system in a run: they submit, cancel, watch and follow logs, and note what they see. */
export class Clients {
  readonly submissions: Submission[] = [];
  readonly ends: ObservedEnd[] = [];
  readonly tails: TailRecord[] = [];
  cancelCount = 0;
  /** Live tails that a fault cut for good; they prove nothing. */
  brokenTailCount = 0;
  readonly #deps: ClientDeps;
  readonly #activities: Promise<void>[] = [];

  constructor(deps: ClientDeps) {
    this.#deps = deps;
  }

  /** Submits `jobs` at their times, counted from now. Resolves when all were answered. */
  async submitAll(jobs: readonly JobPlan[]): Promise<void> {
    const startedAtMs = performance.now();
    const groups = Map.groupBy(jobs, ({ burst, key }) => (burst === null ? key : `burst ${burst}`));
    await Promise.all(
      [...groups.values()].map(async (group) => {
        const waitMs = (group[0]?.atMs ?? 0) - (performance.now() - startedAtMs);
        await delay(Math.max(0, waitMs), undefined, { signal: this.#deps.signal });
        await this.#submit(group);
      }),
    );
  }

  /** Resolves when the watches, tails and cancels have come to their ends. */
  async settle(): Promise<void> {
    await Promise.all(this.#activities);
  }

  async #submit(group: readonly JobPlan[]): Promise<void> {
    const { anyClient, marks, signal } = this.#deps;
    const requests = group.map((plan) => ({
      spec: toJobSpec(plan, marks),
      idempotencyKey: plan.key,
    }));
    const { jobIds } = await patiently(signal, () =>
      anyClient().jobs.createJobs({ jobs: requests }),
    );
    for (const [index, plan] of group.entries()) {
      const jobId = jobIds[index] ?? "";
      this.submissions.push({ key: plan.key, jobId });
      if (plan.cancelAfterMs !== null) this.#begin(this.#cancel(jobId, plan.cancelAfterMs));
      if (plan.burst === null) this.#begin(this.#watch(jobId));
      if (plan.isTailed) this.#begin(this.#tail(jobId, plan));
    }
  }

  /** A failure is kept until `settle`. */
  #begin(activity: Promise<void>): void {
    activity.catch(() => {});
    this.#activities.push(activity);
  }

  async #cancel(jobId: string, afterMs: number): Promise<void> {
    const { anyClient, signal } = this.#deps;
    await delay(afterMs, undefined, { signal });
    await patiently(signal, () => anyClient().jobs.cancelJob({ jobId }));
    this.cancelCount += 1;
  }

  async #watch(jobId: string): Promise<void> {
    const { anyClient, signal } = this.#deps;
    const job = await patiently(signal, async () => {
      for await (const seen of watchJob(anyClient(), jobId, { signal, reconnectLimitMs: 0 })) {
        if (isFinal(seen.state)) return seen;
      }
      throw new Error(`the watch of ${jobId} ended before the job did`);
    });
    // Looked for at once: what lives now lives on after the end was told.
    const found = findProcesses([`HODEI_JOB_ID=${jobId}`]);
    const { attempts } = await patiently(signal, () => anyClient().jobs.getJob({ jobId }));
    // An attempt whose worker was lost has no end that anybody proved.
    const isProved = attempts.every(({ state }) => state !== AttemptState.LOST);
    const processes = isProved
      ? found.map(({ pid, commandLine }) => `${pid} (${commandLine})`)
      : [];
    this.ends.push({ jobId, state: STATE_NAMES.get(job.state) ?? "", processes });
  }

  async #tail(jobId: string, plan: JobPlan): Promise<void> {
    const { anyClient, signal } = this.#deps;
    const keepsText = plan.task.writing.content === "secrets";
    try {
      const logs = await followLog(anyClient(), jobId, {
        keepsText,
        signal,
        reconnectLimitMs: STREAM_LIMIT_MS,
      });
      this.tails.push({ jobId, logs });
    } catch (error) {
      if (!isPassing(error)) throw error;
      this.brokenTailCount += 1;
    }
  }
}

import { EXIT_REASONS, type Job, type JobId, needOf, release } from "@hodei/domain";
import { findOwnJob } from "./get-job.ts";
import { readCluster } from "./hosts.ts";
import { type JudgeDeps, judgeWait, type Verdict } from "./judge-wait.ts";
import type { Principal } from "./principal.ts";
import { scoresOn, type WorkerScore } from "./score-workers.ts";

/** `reasons` are empty unless the job is pending, `scores` once it has ended. */
export interface Explanation extends Verdict {
  readonly job: Job;
  /** One sentence for people. */
  readonly summary: string;
}

/** Why a job waits, or where it is and how it ended. @throws PlatformError `not_found` */
export async function explainJob(
  deps: JudgeDeps,
  principal: Principal,
  id: JobId,
): Promise<Explanation> {
  const job = await findOwnJob(deps, principal, id);
  if (job.state === "pending") {
    const dependencies = job.isBlocked ? await deps.database.readers.dependencies.listOf([id]) : [];
    const verdict = await judgeWait(deps, job, dependencies);
    return { job, summary: waitSummary(verdict), ...verdict };
  }
  const scores = job.outcome === null ? await placedScores(deps, job) : [];
  const summary = job.outcome === null ? placedSummary(job) : endSummary(job, job.outcome);
  return { job, summary, reasons: [], scores, expectedStartAt: null };
}

/** The reasons in one sentence. */
export function waitSummary({ reasons }: Verdict): string {
  return `Waits: ${reasons.map(({ message }) => message).join("; ")}.`;
}

function placedSummary({ state, lease, attempt, cancelRequest, preemption }: Job): string {
  const where = `Attempt ${attempt} is ${state} on worker ${lease?.workerId}`;
  if (cancelRequest !== null) return `${where}; its cancel was asked for.`;
  if (preemption === null) return `${where}.`;
  return `${where}; it gives up its place to job ${preemption.byJobId}, which has a higher priority.`;
}

function endSummary({ state }: Job, { message, reason }: NonNullable<Job["outcome"]>): string {
  const why = message.replace(/\.$/, "");
  const what = `${state} (${reason})${why === "" ? "" : `: ${why}`}.`;
  return `${what} ${EXIT_REASONS[reason].action}`;
}

/** As if it were to be placed again: what it holds counts as free. */
async function placedScores(deps: JudgeDeps, job: Job): Promise<readonly WorkerScore[]> {
  const cluster = await readCluster(deps);
  const hosts = cluster.hosts.map((host) =>
    host.workerId === job.lease?.workerId ? release(host, job.policy.requirements) : host,
  );
  return scoresOn(hosts, needOf(job), deps.settings.placementPolicy);
}

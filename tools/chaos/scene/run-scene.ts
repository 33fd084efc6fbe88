import { setTimeout as delay } from "node:timers/promises";
import { JobState } from "@hodei/proto/hodei/v1/job";
import { timeLimit } from "../../time-limit.ts";
import { Clients } from "../clients/clients.ts";
import type { RunMarks } from "../clients/job-spec.ts";
import { patiently } from "../clients/patience.ts";
import type { NeedleScan } from "../history/needle-scan.ts";
import type { JobPlan } from "../plan/job-plan.ts";
import type { Plan } from "../plan/plan.ts";
import { injectFaults, type PastFault } from "./inject-faults.ts";
import type { Scene } from "./scene.ts";

export interface RunDeps {
  readonly scene: Scene;
  readonly marks: RunMarks;
  readonly scan: NeedleScan;
  readonly signal: AbortSignal;
  readonly say: (line: string) => void;
}

/** What happened while jobs and faults came. */
export interface RunOutcome {
  readonly clients: Clients;
  readonly faults: readonly PastFault[];
  /** From the end of the faults to the end of the last job. */
  readonly calmMs: number;
}

/** Once nothing is broken any more, every job ends within this time. The longest way: a worker that tries again each minute. */
const CALM_LIMIT_MS = 180_000;
/** After the last job, for watchers and tails to see it. */
const SETTLE_LIMIT_MS = 60_000;
const POLL_MS = 500;
const UNFINISHED = [JobState.PENDING, JobState.ASSIGNED, JobState.RUNNING];

/** Submits `jobs` and breaks things as planned; then mends all and waits until every job has ended, or the limit is reached. */
export async function runScene(
  deps: RunDeps,
  plan: Plan,
  jobs: readonly JobPlan[],
): Promise<RunOutcome> {
  const { scene, marks, scan, signal, say } = deps;
  const patience = new AbortController();
  signal.addEventListener("abort", () => patience.abort(signal.reason), { once: true });
  const clients = new Clients({ anyClient: scene.anyClient, marks, signal: patience.signal });
  await patiently(signal, async () => {
    for (const { name, value } of plan.secrets)
      await scene.anyClient().secrets.setSecret({ name, value: Buffer.from(value) });
  });
  say("everything runs; jobs and faults begin");
  const submitting = clients.submitAll(jobs);
  submitting.catch(() => {}); // It is waited for below.
  const peace = timeLimit(signal, plan.durationMs);
  const faults = await injectFaults({ scene, scan, signal: peace }, plan.faults);
  await untilAborted(peace);
  signal.throwIfAborted();
  say(`faults are over (${faults.length}); waiting for the last jobs`);
  const calmSinceMs = performance.now();
  await submitting;
  await untilNoneIsLeft(deps);
  const calmMs = performance.now() - calmSinceMs;
  await Promise.race([clients.settle(), delay(SETTLE_LIMIT_MS, undefined, { signal, ref: false })]);
  patience.abort();
  return { clients, faults, calmMs };
}

async function untilNoneIsLeft({ scene, signal, say }: RunDeps): Promise<void> {
  const endsAtMs = performance.now() + CALM_LIMIT_MS;
  for (;;) {
    const { jobs } = await patiently(signal, () =>
      scene.anyClient().jobs.listJobs({ filter: { states: UNFINISHED }, pageSize: 1_000 }),
    );
    if (jobs.length === 0) return;
    if (performance.now() > endsAtMs) {
      say(`${jobs.length} jobs have not ended after ${CALM_LIMIT_MS / 1_000} s of calm`);
      return;
    }
    await delay(POLL_MS, undefined, { signal });
  }
}

async function untilAborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return;
  await new Promise((resolve) => signal.addEventListener("abort", resolve, { once: true }));
}

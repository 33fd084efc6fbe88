import { checkRun } from "./checks/check-run.ts";
import { NeedleScan } from "./history/needle-scan.ts";
import type { JobPlan } from "./plan/job-plan.ts";
import type { Plan } from "./plan/plan.ts";
import { MemoryWatch } from "./processes/memory-watch.ts";
import { BEHAVIOURS } from "./program/behaviours.ts";
import { renderFigures, renderViolations } from "./report/report.ts";
import { finishRun } from "./scene/finish-run.ts";
import { runScene } from "./scene/run-scene.ts";
import type { Scene } from "./scene/scene.ts";
import { withScene } from "./scene/with-scene.ts";

export interface ChaosOptions {
  readonly plan: Plan;
  readonly createScene: (folder: string, onMade: (scene: Scene) => void) => Promise<Scene>;
  /** Whether the folder is to be kept in any case. */
  readonly isKept: boolean;
  readonly signal: AbortSignal;
  readonly say: (line: string) => void;
}

const MIB = 1024 * 1024;
/** Of a worker: what 50 attempts with full buffers need, and no more. */
const WORKER_RSS_MAX_BYTES = 320 * MIB;
/** Of a server: the log that waits to be stored (64 MiB) several times over, in messages, rows and garbage. */
const SERVER_RSS_MAX_BYTES = 640 * MIB;

/** Runs a plan from the first process to the last check; whether every promise was kept. Ends what it started in any case. */
export function runChaos({
  plan,
  createScene,
  isKept,
  signal,
  say,
}: ChaosOptions): Promise<boolean> {
  return withScene(
    async ({ folder, marks, onMade }) => {
      const scene = await createScene(folder, onMade);
      signal.throwIfAborted();
      const hasControlGroups = !(await scene.workers[0]?.program.hasLogged(
        "worker.no_control_groups",
      ));
      const jobs = plan.jobs.filter(
        (job) => hasControlGroups || !BEHAVIOURS[job.behaviour].needsControlGroups,
      );
      sayWhatIsLeftOut(plan.jobs.length - jobs.length, say);
      const scan = new NeedleScan(plan.secrets);
      const deps = { scene, marks, scan, signal, say };
      const memory = new MemoryWatch(watchedOf(scene));
      try {
        const outcome = await runScene(deps, plan, jobs);
        const run = await finishRun(deps, { plan, outcome, memory });
        const violations = checkRun(run);
        say(`done\n\n${renderFigures(run, outcome, scan)}\n`);
        say(violations.length === 0 ? "every promise was kept" : renderViolations(violations));
        return violations.length === 0;
      } finally {
        memory.stop();
      }
    },
    { isKept, signal, say },
  );
}

function sayWhatIsLeftOut(count: number, say: (line: string) => void): void {
  if (count === 0) return;
  say(
    `this user may make no control groups: ${count} jobs are left out that need them ` +
      "(fork bombs, memory hogs, processes without environment)",
  );
}

function watchedOf({ servers, workers, localWorkerPids }: Scene) {
  const watch = (name: string, boundBytes: number, pid: () => number) => ({
    name,
    boundBytes,
    get pid() {
      return pid();
    },
  });
  return [
    ...servers.map(({ name, program }) => watch(name, SERVER_RSS_MAX_BYTES, () => program.pid)),
    ...workers.map(({ name, program }) => watch(name, WORKER_RSS_MAX_BYTES, () => program.pid)),
    watch("local worker", WORKER_RSS_MAX_BYTES, () => localWorkerPids()[0] ?? 0),
  ];
}

/** The plan in words, a line for each job and fault. */
export function describePlan({ jobs, faults }: Plan): string {
  const at = (ms: number) => `${(ms / 1_000).toFixed(1).padStart(7)} s  `;
  const describeJob = ({ key, behaviour, task, cancelAfterMs, runTimeoutMs }: JobPlan) =>
    `${key}: ${behaviour}, ${task.writing.content}, ${task.writing.stdoutBytes} + ${task.writing.stderrBytes} bytes, ` +
    `at most ${runTimeoutMs} ms${cancelAfterMs === null ? "" : `, cancelled after ${cancelAfterMs} ms`}`;
  return [
    ...jobs.map((job) => ({ atMs: job.atMs, text: describeJob(job) })),
    ...faults.map(({ atMs, kind, target, durationMs }) => ({
      atMs,
      text: `${kind} of ${target} for ${durationMs} ms`,
    })),
  ]
    .sort((a, b) => a.atMs - b.atMs)
    .map(({ atMs, text }) => at(atMs) + text)
    .join("\n");
}

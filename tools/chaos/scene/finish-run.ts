import { patiently } from "../clients/patience.ts";
import { readLog } from "../clients/read-logs.ts";
import type { FinishedRun } from "../history/finished-run.ts";
import type { LogDigest } from "../history/log-digest.ts";
import { readDatabase } from "../history/read-database.ts";
import { readProgress } from "../history/read-progress.ts";
import { scanFiles } from "../history/scan-files.ts";
import type { Plan } from "../plan/plan.ts";
import { findLeftFiles, findLeftGroups, findLeftProcesses } from "../processes/leftovers.ts";
import type { MemoryWatch } from "../processes/memory-watch.ts";
import type { RunDeps, RunOutcome } from "./run-scene.ts";

export interface FinishOptions {
  readonly plan: Plan;
  readonly outcome: RunOutcome;
  readonly memory: MemoryWatch;
}

/** Logs that are read at once: enough to hide the wait for each answer. */
const READERS = 6;
/** For workers that slept or were cut off to end what was taken from them. */
const LEFT_PROCESSES_LIMIT_MS = 45_000;

/** Collects all that the checks look at, and stops the scene in order on the way. */
export async function finishRun(deps: RunDeps, options: FinishOptions): Promise<FinishedRun> {
  const { scene, marks, scan, say } = deps;
  const { plan, outcome, memory } = options;
  const { submissions, ends, tails } = outcome.clients;
  const processes = await findLeftProcesses(
    [marks.nap, marks.progressDir],
    LEFT_PROCESSES_LIMIT_MS,
  );
  say("reading every log");
  const logs = await readLogs(deps, plan, submissions);
  memory.stop();
  const workerPids = scene.workers.map(({ program }) => program.pid);
  await Promise.all(scene.workers.map(({ program }) => program.stop()));
  const files = findLeftFiles(scene.workers.map(({ stateDir }) => stateDir));
  const groups = findLeftGroups(workerPids);
  for (const { program } of scene.servers) await program.stop();
  say("looking through the database and all files");
  await scene.database.stop();
  await scene.database.start();
  const records = await readDatabase(scene.database.url, scan);
  await scene.database.stop();
  await scanFiles(scene.folder, scan);
  return {
    plan,
    submissions,
    ends,
    tails,
    logs,
    ...records,
    progress: await readProgress(marks.progressDir),
    leftovers: [...processes, ...files, ...groups],
    leaks: scan.leaks,
    memory: memory.peaks,
    unexpectedEnds: [...scene.servers, ...scene.workers].flatMap(
      ({ program }) => program.unexpectedEnds,
    ),
  };
}

async function readLogs(
  { scene, scan, signal }: RunDeps,
  plan: Plan,
  submissions: FinishedRun["submissions"],
): Promise<readonly LogDigest[]> {
  const plans = new Map(plan.jobs.map((job) => [job.key, job]));
  const logs: LogDigest[] = [];
  const rest = submissions.values();
  const readRest = async () => {
    for (const { key, jobId } of rest) {
      const keepsText = plans.get(key)?.task.writing.content === "secrets";
      const { attempts } = await patiently(signal, () => scene.anyClient().jobs.getJob({ jobId }));
      for (const { number } of attempts) {
        const read = () =>
          readLog(scene.anyClient(), { jobId, attempt: number }, { keepsText, scan });
        logs.push(await patiently(signal, read));
      }
    }
  };
  await Promise.all(Array.from({ length: READERS }, readRest));
  return logs;
}

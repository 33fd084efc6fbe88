import { once } from "node:events";
import { Worker } from "node:worker_threads";

export interface TaskRun<Task, Report> {
  readonly tasks: readonly Task[];
  readonly threadCount: number;
  /** Told of each task's report as it comes, in no particular order. */
  readonly onReport: (report: Report) => void;
}

/**
 * Does `tasks` on threads that run `script`, each of which takes the next one when it has answered the last.
 * @throws what a thread threw; the others are stopped then
 */
export async function runTasks<Task, Report>(
  script: URL,
  { tasks, threadCount, onReport }: TaskRun<Task, Report>,
): Promise<void> {
  const waiting = tasks.values();
  const count = Math.min(threadCount, tasks.length);
  const threads = Array.from({ length: count }, () => new Worker(script));
  try {
    await Promise.all(
      threads.map(async (thread) => {
        for (const task of waiting) {
          thread.postMessage(task);
          const [report] = await once(thread, "message");
          onReport(report);
        }
      }),
    );
  } finally {
    await Promise.all(threads.map((thread) => thread.terminate()));
  }
}

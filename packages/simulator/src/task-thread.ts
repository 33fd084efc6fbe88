// One thread of `npm run sim`: does the tasks that it is sent, one after the other.

import { parentPort } from "node:worker_threads";
import { performTask, type Task } from "./task.ts";

parentPort?.on("message", async (task: Task) => {
  parentPort?.postMessage(await performTask(task));
});

import { setTimeout as delay } from "node:timers/promises";
import { JobState } from "@hodei/proto/hodei/v1/job";
import { type HodeiClient, waitForJob } from "@hodei/sdk";
import { CommandError } from "../errors.ts";
import { notice } from "../output/notice.ts";
import { dataFolder } from "./data-folder.ts";
import {
  type CallContext,
  connectToRunning,
  ensureLocalStack,
  STACK_LOCK,
} from "./ensure-local-stack.ts";
import { isAlive, type ProcessIdentity } from "./process-identity.ts";
import { findLockOwner } from "./process-lock.ts";
import { readStackFile } from "./stack-file.ts";

/** How long a stack may take to stop: its own limits are lower. */
const STOP_LIMIT_MS = 60_000;
/** How long cancelled jobs may take to end; the longest grace of a job is beyond it. */
const CANCEL_LIMIT_MS = 60_000;
/** How often to look whether the process is gone. */
const LOOK_INTERVAL_MS = 50;
/** Ids that are named when jobs are in the way. */
const IDS_SHOWN = 3;

/**
 * Stops the stack of `folder` and resolves when its process is gone; `undefined` if there was none. Jobs that wait
 * are kept for the next start.
 * @param force cancels jobs that run, and waits for their end; without it they keep the stack from being stopped
 * @throws CommandError if jobs run, or the process does not end
 */
export async function stopLocalStack(
  folder: string,
  options: { readonly force: boolean },
): Promise<ProcessIdentity | undefined> {
  const owner = await findLockOwner(folder, STACK_LOCK);
  if (owner === undefined) return undefined;
  const connection = await connectToRunning(folder);
  if (connection !== undefined) {
    try {
      await endJobs(connection.client, options.force);
    } finally {
      connection.client.close();
    }
  } else if (!options.force) {
    throw new CommandError(
      `the local stack (process ${owner.pid}) does not answer, so it cannot be asked for running jobs`,
      { next: "stop it regardless with: hodei down --force" },
    );
  }
  await endProcess(owner);
  return owner;
}

/**
 * Starts a stack anew that was killed: its database and its worker may run on, and only a stack can end them in order. One
 * that was stopped, or runs, is left as it is. @throws CommandError as `ensureLocalStack`
 */
export async function reviveKilledStack(context: CallContext): Promise<void> {
  const folder = dataFolder(context.env, context.cwd);
  const wasPublished = (await readStackFile(folder)) !== undefined;
  if (!wasPublished || (await findLockOwner(folder, STACK_LOCK)) !== undefined) return;
  await notice(context, "the local stack was killed; only another one can end what it has left");
  const { client } = await ensureLocalStack(context);
  client.close();
}

async function endJobs(client: HodeiClient, force: boolean): Promise<void> {
  const filter = { states: [JobState.ASSIGNED, JobState.RUNNING] };
  const { jobs, nextPageToken } = await client.jobs.listJobs({ filter, pageSize: 1000 });
  if (jobs.length === 0) return;
  if (!force) {
    const count = nextPageToken === "" ? `${jobs.length}` : `more than ${jobs.length}`;
    const ids = jobs.slice(0, IDS_SHOWN).map(({ id }) => id);
    const names = jobs.length > IDS_SHOWN ? `${ids.join(", ")}, …` : ids.join(", ");
    throw new CommandError(`jobs are running (${count}: ${names})`, {
      next: "wait for them, or cancel them and stop with: hodei down --force",
    });
  }
  const signal = AbortSignal.timeout(CANCEL_LIMIT_MS);
  await Promise.all(
    jobs.map(async ({ id: jobId }) => {
      await client.jobs.cancelJob({ jobId });
      await waitForJob(client, jobId, { signal });
    }),
  );
}

async function endProcess(identity: ProcessIdentity): Promise<void> {
  const deadlineMs = performance.now() + STOP_LIMIT_MS;
  // Looked at right before the signal, so that it cannot hit a process that got the number later.
  if (await isAlive(identity)) process.kill(identity.pid, "SIGTERM");
  while (await isAlive(identity)) {
    if (performance.now() > deadlineMs) {
      throw new CommandError(
        `the local stack (process ${identity.pid}) has not ended within ${STOP_LIMIT_MS / 1_000} s`,
        { next: `end it with: kill -KILL ${identity.pid}` },
      );
    }
    await delay(LOOK_INTERVAL_MS);
  }
}

import { setTimeout as delay } from "node:timers/promises";
import { createClient, type HodeiClient, HodeiError } from "@hodei/sdk";
import type { CommandContext } from "../context.ts";
import { readToken } from "../endpoint.ts";
import { CommandError, isSystemError } from "../errors.ts";
import { readVersion } from "../version.ts";
import { dataFolder, notWritable, prepareDataFolder } from "./data-folder.ts";
import { isAlive, type ProcessIdentity } from "./process-identity.ts";
import { findLockOwner, tryLock } from "./process-lock.ts";
import { readStackFile, type Stack } from "./stack-file.ts";
import { startStack } from "./start-stack.ts";

/** How long a command waits for a local stack to be ready, whoever starts it. */
const READY_LIMIT_MS = 60_000;
/** How often a waiting command looks, on average. */
const LOOK_INTERVAL_MS = 50;
/** A stack that is ready answers at once; one that is stopping may not answer at all. */
const HEALTH_TIMEOUT_MS = 5_000;

/** Held by the command that is starting a stack. */
const START_LOCK = "start";
/** Held by the process of a stack, from before it is ready until it has stopped. */
export const STACK_LOCK = "stack";

export type CallContext = Pick<CommandContext, "env" | "cwd" | "program" | "stderr">;

export interface LocalConnection {
  readonly client: HodeiClient;
  readonly stack: Stack;
}

/**
 * A connection to the user's local stack. Starts it when it does not run, and says so on standard error; of several
 * commands at once, one starts it and the others wait. A stack that is about to stop is waited for, then replaced.
 * @throws CommandError if it does not get ready, with what its log says
 */
export async function ensureLocalStack(context: CallContext): Promise<LocalConnection> {
  const folder = dataFolder(context.env, context.cwd);
  await prepareDataFolder(folder);
  const deadlineMs = performance.now() + READY_LIMIT_MS;
  for (;;) {
    const connection = await connectToRunning(folder);
    if (connection !== undefined) {
      await warnOfOtherVersion(connection.stack, context);
      return connection;
    }
    const owner = await startUnlessOwned(folder, context);
    if (owner === undefined) continue;
    if (performance.now() > deadlineMs) throw notReady(folder, owner);
    // Spread, so that two commands that got in each other's way do not do so again.
    await delay(LOOK_INTERVAL_MS * (0.5 + Math.random()));
  }
}

/** A connection to the stack of `folder` if one runs and answers. */
export async function connectToRunning(folder: string): Promise<LocalConnection | undefined> {
  const stack = await readStackFile(folder);
  if (stack === undefined || !(await isAlive(stack.process))) return undefined;
  const token = stack.tokenFile === null ? undefined : await readToken(stack.tokenFile);
  const client = createClient({
    endpoint: stack.endpoint,
    ...(token === undefined ? {} : { token }),
  });
  try {
    // This request also tells the stack that it is needed, so it will not stop before the next one.
    await client.health.check({}, { timeoutMs: HEALTH_TIMEOUT_MS });
    return { client, stack };
  } catch (error) {
    client.close();
    if (error instanceof HodeiError && isAboutToChange(error)) return undefined;
    throw error;
  }
}

const isAboutToChange = ({ code }: HodeiError): boolean =>
  code === "unavailable" || code === "deadline_exceeded";

/** Starts a stack, unless a process is, or is about to become, the stack of `folder`: then says which one. */
async function startUnlessOwned(
  folder: string,
  context: CallContext,
): Promise<ProcessIdentity | undefined> {
  const running = await findLockOwner(folder, STACK_LOCK);
  if (running !== undefined) return running;
  const attempt = await tryLock(folder, START_LOCK).catch((error: unknown) => {
    throw isSystemError(error) ? notWritable(folder, error) : error;
  });
  if ("owner" in attempt) return attempt.owner;
  try {
    // Another command may have started one between the look and the lock.
    const started = await findLockOwner(folder, STACK_LOCK);
    if (started !== undefined) return started;
    await startStack(folder, context, READY_LIMIT_MS);
    return undefined;
  } finally {
    await attempt.lock.release();
  }
}

function notReady(folder: string, owner: ProcessIdentity): CommandError {
  return new CommandError(
    `the local stack (process ${owner.pid}, data in ${folder}) does not answer`,
    { next: `end it with: kill ${owner.pid}` },
  );
}

async function warnOfOtherVersion(stack: Stack, context: CallContext): Promise<void> {
  const version = readVersion();
  if (stack.version === version) return;
  await context.stderr.write(
    `hodei: the local stack has version ${stack.version}, this command ${version}; restart it with: hodei down\n`,
  );
}

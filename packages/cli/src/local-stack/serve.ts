import type { CommandContext } from "../context.ts";
import { CommandError } from "../errors.ts";
import { notice } from "../output/notice.ts";
import { readVersion } from "../version.ts";
import { workerCommand } from "../worker-command.ts";
import { prepareDataFolder } from "./data-folder.ts";
import { STACK_LOCK } from "./ensure-local-stack.ts";
import { identifyProcess } from "./process-identity.ts";
import { tryLock } from "./process-lock.ts";
import { rootNotice } from "./root-notice.ts";
import { removeStackFile, writeStackFile } from "./stack-file.ts";

/** Level from which the server writes its log to standard error. */
export type LogLevel = "debug" | "info" | "warn" | "error";

export interface StackOptions {
  readonly folder: string;
  /** 0: a free one, the same as last time if it is still free. */
  readonly port: number;
  /** Stops by itself after so long without unfinished jobs and without requests; `undefined`: never. */
  readonly idleExitMs: number | undefined;
  readonly logLevel: LogLevel;
}

/**
 * Is the local stack of `folder` until a signal or its idle time ends it: database, server and one worker that has
 * the whole machine. Commands find it by its stack file once it is ready. Resolves to the exit code.
 * @throws CommandError if another process is that stack already
 */
export async function serveLocalStack(
  { folder, port, idleExitMs, logLevel }: StackOptions,
  context: Pick<CommandContext, "program" | "stderr">,
): Promise<number> {
  await prepareDataFolder(folder);
  const attempt = await tryLock(folder, STACK_LOCK);
  if ("owner" in attempt) {
    throw new CommandError(
      `a local stack runs already (process ${attempt.owner.pid}, data in ${folder})`,
      { next: "use it, or stop it with: hodei down" },
    );
  }
  const self = await identifyProcess(process.pid);
  if (self === undefined) throw new Error("this process does not exist");
  const { runServer } = await import("@hodei/server");
  try {
    return await runServer({
      settings: {
        dataDir: folder,
        publicPort: port,
        workerPort: 0,
        localWorkersMin: 1,
        localWorkersMax: 1,
        // Whoever works as root on a machine of his own is told so, not stopped: see `rootNotice`.
        localWorkersAllowRoot: true,
        stopWorkersOnExit: true,
        idleExitMs,
        logLevel,
      },
      workerCommand: workerCommand(context),
      async onReady({ publicUrl, apiTokenFile }) {
        const version = readVersion();
        const stack = { process: self, endpoint: publicUrl, tokenFile: apiTokenFile, version };
        await writeStackFile(folder, stack);
        const where = `${publicUrl} (token in ${apiTokenFile}${rootNotice()})`;
        await notice(context, `the local stack is ready at ${where}`);
      },
    });
  } finally {
    await removeStackFile(folder);
    await attempt.lock.release();
  }
}

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync } from "node:fs";
import { Duplex } from "node:stream";
import { invariant } from "@hodei/domain";
import type { Logger } from "pino";
import { AttemptFailure } from "../attempt-failure.ts";
import type { AttemptUser } from "../attempt-user.ts";
import type { ControlGroup } from "../control-groups/control-group.ts";
import type { ControlGroups } from "../control-groups/control-groups.ts";
import type { OutputPipes, PipePool } from "../pipe-pool.ts";
import { PRELUDE_FD, preludeCommand, READY } from "./prelude.ts";

/** Shells that wait; 0.2 MiB each. More attempts than that at once start as fast as shells can be forked. */
const WAITING_COUNT = 4;
/** A short command has ended by then. */
const REFILL_PAUSE_MS = 30;

/** One of the two is set. Node reports a real-time signal (34 to 64) as exit code 0: it has no name for it. */
export interface ProcessExit {
  readonly exitCode: number | null;
  readonly signal: NodeJS.Signals | null;
}

/** A shell that becomes the command of an attempt. Leader of its own session. */
export interface WaitingShell {
  readonly pid: number;
  /** In which it is already. */
  readonly group: ControlGroup | undefined;
  /** Of the shell, or of what it became. Never rejects. */
  readonly exited: Promise<ProcessExit>;
  /** Descriptors of its output, to be closed by whoever took it. */
  readonly stdoutFd: number;
  readonly stderrFd: number;
  /** Makes it do `input`, see `preludeInput`, which is zeroed once it has been sent. */
  become(input: Uint8Array): void;
}

export interface ShellPoolDeps {
  readonly log: Pick<Logger, "warn">;
  readonly pipes: Pick<PipePool, "take">;
  readonly groups: Pick<ControlGroups, "create">;
  /** Whom the shells run as; `undefined`: the worker's own user. */
  readonly user: AttemptUser | undefined;
}

/**
 * Shells started ahead, each in a control group of its own and waiting for its command: neither the fork, nor the 15 ms
 * that the kernel takes to let a process into a control group, is on the way from an assignment to its start. See
 * `docs/adr/0006-launching.md`. A shell ends when its worker does, whatever that died of.
 */
export class ShellPool {
  readonly #deps: ShellPoolDeps;
  readonly #waiting: Starting[] = [];
  #isStopped = false;
  /** Starts that are to come. */
  #dueCount = 0;

  constructor(deps: ShellPoolDeps) {
    this.#deps = deps;
  }

  /** Starts the first shells, without waiting for them. */
  start(): void {
    this.#refillSoon();
  }

  /** @throws AttemptFailure `spawn_failed` or `disk_full` */
  async take(): Promise<WaitingShell> {
    const starting = this.#waiting.shift() ?? startShell(this.#deps);
    this.#refillSoon();
    try {
      return await starting;
    } catch (cause) {
      throw cause instanceof AttemptFailure ? cause : shellFailure(cause);
    }
  }

  /** Ends the shells that wait. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    for (const starting of this.#waiting.splice(0)) {
      // One that could not start needs no end, and its failure is nobody's now.
      const shell = await starting.catch(() => undefined);
      if (shell !== undefined) await discard(shell);
    }
  }

  /**
   * Starts what is lacking a moment later, one after the other: a fork holds up the event loop, and what was just taken is to
   * begin. The first at once if none is left for the next who comes. A start that fails is tried again after the next `take`.
   */
  #refillSoon(): void {
    const firstMs = this.#waiting.length === 0 ? 0 : REFILL_PAUSE_MS;
    const lackingCount = WAITING_COUNT - this.#waiting.length - this.#dueCount;
    for (let index = 0; index < lackingCount; index += 1) {
      this.#dueCount += 1;
      setTimeout(
        () => {
          this.#dueCount -= 1;
          if (!this.#isStopped) this.#startOne();
        },
        firstMs + index * REFILL_PAUSE_MS,
      ).unref();
    }
  }

  #startOne(): void {
    const starting = startShell(this.#deps);
    this.#waiting.push(starting);
    starting.then(
      (shell) => this.#watch(starting, shell),
      (err) => {
        // Whoever takes the next one tries again, and tells.
        this.#deps.log.warn({ event: "worker.shell_not_started", err });
        this.#forget(starting);
      },
    );
  }

  /** One that ends while it waits, as in the kernel's search for memory, must not become an attempt. */
  #watch(starting: Starting, shell: WaitingShell): void {
    void shell.exited.then(async () => {
      if (!this.#forget(starting)) return;
      this.#deps.log.warn({ event: "worker.shell_ended", pid: shell.pid });
      await discard(shell);
    });
  }

  #forget(starting: Starting): boolean {
    const index = this.#waiting.indexOf(starting);
    if (index !== -1) this.#waiting.splice(index, 1);
    return index !== -1;
  }
}

type Starting = Promise<WaitingShell>;

/** Resolves when it waits for its command. */
async function startShell({ pipes, groups, user, log }: ShellPoolDeps): Promise<WaitingShell> {
  const output = await pipes.take();
  let group: ControlGroup | undefined;
  try {
    group = groups.create();
    return await forkShell(output, group, user);
  } catch (error) {
    closeSync(output.stdout.readFd);
    closeSync(output.stderr.readFd);
    await group?.remove();
    log.warn({ event: "worker.shell_not_started", err: error });
    throw error;
  }
}

/** Closes the ends of the pipes that are the child's, also when it fails. */
async function forkShell(
  { stdout, stderr }: OutputPipes,
  group: ControlGroup | undefined,
  user: AttemptUser | undefined,
): Promise<WaitingShell> {
  // Another user's process may not write to our control groups.
  const { file, args } = preludeCommand(user === undefined ? (group?.procsPaths ?? []) : []);
  const owner = user === undefined ? {} : { uid: user.uid, gid: user.gid };
  let child: ChildProcess;
  try {
    const stdio = ["ignore", stdout.writeFd, stderr.writeFd, "pipe"] as const;
    child = spawn(file, args, { cwd: "/", env: {}, stdio: [...stdio], detached: true, ...owner });
  } finally {
    closeSync(stdout.writeFd);
    closeSync(stderr.writeFd);
  }
  if (child.pid === undefined) {
    const [error] = await once(child, "error");
    throw error;
  }
  const exited = new Promise<ProcessExit>((resolve) => {
    child.once("exit", (exitCode, signal) => resolve({ exitCode, signal }));
  });
  const socket = child.stdio[PRELUDE_FD];
  invariant(socket instanceof Duplex, "the prelude's descriptor was asked for as a pipe");
  await waitUntilReady(child, socket);
  if (user !== undefined) await group?.add(child.pid);
  return {
    pid: child.pid,
    group,
    exited,
    stdoutFd: stdout.readFd,
    stderrFd: stderr.readFd,
    become(input) {
      socket.once("close", () => input.fill(0));
      socket.end(input, () => socket.destroy());
    },
  };
}

/** Over a socket that has no name, so nobody else can read along. */
function waitUntilReady(child: ChildProcess, socket: Duplex): Promise<void> {
  return new Promise((resolve, reject) => {
    let said = "";
    // A shell that ends before it has read all needs the rest no more; its end is told by `exited`.
    socket.on("error", () => {});
    socket.on("data", (bytes: Buffer) => {
      said += bytes.toString();
      if (said === READY) resolve();
    });
    child.on("error", reject);
    child.once("exit", (code, signal) => reject(new Error(`it ended by ${signal ?? code}`)));
  });
}

/** Ends a shell that became nothing, with all that it has. */
export async function discard(shell: WaitingShell): Promise<void> {
  shell.become(new Uint8Array(0));
  closeSync(shell.stdoutFd);
  closeSync(shell.stderrFd);
  await shell.exited;
  await shell.group?.remove();
}

function shellFailure(cause: unknown): AttemptFailure {
  const text = cause instanceof Error ? cause.message : String(cause);
  return new AttemptFailure("spawn_failed", `Cannot start a shell: ${text}.`, { cause });
}

import { execFile } from "node:child_process";
import { closeSync, constants, fchownSync, openSync, unlinkSync } from "node:fs";
import { mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { invariant, PlatformError } from "@hodei/domain";
import { AttemptFailure } from "./attempt-failure.ts";
import type { AttemptUser } from "./attempt-user.ts";
import { errnoOf, isDiskFull } from "./errno.ts";

/** Pipes made at once: one `mkfifo` process takes about 5 ms, for 1 as for 64. */
const BATCH_COUNT = 64;
/** New ones are made in the background when fewer are left. */
const LOW_COUNT = 16;

/** The descriptors of two pipes, to be closed by whoever took them. */
export interface OutputPipes {
  readonly stdout: Pipe;
  readonly stderr: Pipe;
}

export interface Pipe {
  readonly readFd: number;
  readonly writeFd: number;
}

/**
 * Real pipes for the output of attempts.
 *
 * Node connects children by sockets, and a socket cannot be opened by name: `echo x > /dev/stderr` and `tee /dev/stdout`
 * fail in such a child with ENXIO (unix(7)). Node has no call for pipe(2), so named pipes are made ahead by mkfifo(1)
 * and lose their name when they are taken.
 */
export class PipePool {
  readonly #path: string;
  readonly #user: AttemptUser | undefined;
  readonly #names: string[] = [];
  #madeCount = 0;
  #refilling: Promise<void> | undefined;

  /** `path`: a folder for the named pipes; what it holds is removed. `user`: who may open them by name. */
  constructor(path: string, user?: AttemptUser) {
    this.#path = path;
    this.#user = user;
  }

  /**
   * Makes the first pipes.
   * @throws PlatformError `failed_precondition`, reason `no_pipes`
   */
  async start(): Promise<void> {
    try {
      await rm(this.#path, { recursive: true, force: true });
      await mkdir(this.#path, { mode: 0o700 });
      await this.#refill();
    } catch (error) {
      throw noPipes(this.#path, error);
    }
  }

  /** @throws AttemptFailure `disk_full` or `spawn_failed` if there is no pipe and none can be made */
  async take(): Promise<OutputPipes> {
    try {
      while (this.#names.length < 2) await this.#refill();
      const stdout = this.#open();
      // A failure leaves the pool low; the next one who finds it empty tries again and reports.
      if (this.#names.length < LOW_COUNT) this.#refill().catch(() => {});
      try {
        return { stdout, stderr: this.#open() };
      } catch (error) {
        closePipe(stdout);
        throw error;
      }
    } catch (error) {
      throw pipeFailure(error);
    }
  }

  #open(): Pipe {
    const name = this.#names.pop();
    invariant(name, "the pool was filled before");
    const pipe = openPipe(join(this.#path, name));
    if (this.#user !== undefined) fchownSync(pipe.readFd, this.#user.uid, this.#user.gid);
    return pipe;
  }

  #refill(): Promise<void> {
    this.#refilling ??= this.#make().finally(() => {
      this.#refilling = undefined;
    });
    return this.#refilling;
  }

  async #make(): Promise<void> {
    const names = Array.from({ length: BATCH_COUNT }, () => `${++this.#madeCount}`);
    await promisify(execFile)("mkfifo", ["-m", "600", ...names], { cwd: this.#path });
    this.#names.push(...names);
  }
}

function closePipe({ readFd, writeFd }: Pipe): void {
  closeSync(readFd);
  closeSync(writeFd);
}

function noPipes(path: string, cause: unknown): PlatformError {
  return new PlatformError(
    "failed_precondition",
    "no_pipes",
    `cannot make named pipes in ${path}: ${String(cause)}. The worker needs the program mkfifo, and a state directory on a file system that knows named pipes`,
    { cause },
  );
}

function pipeFailure(cause: unknown): AttemptFailure {
  const text = cause instanceof Error ? cause.message : String(cause);
  return new AttemptFailure(
    isDiskFull(cause) ? "disk_full" : "spawn_failed",
    `Cannot make a pipe for the output: ${text}.`,
    { cause },
  );
}

/** Opened for reading first, and without waiting for a writer, since each side of a named pipe waits for the other. */
function openPipe(path: string): Pipe {
  const readFd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  try {
    return { readFd, writeFd: openSync(path, constants.O_WRONLY) };
  } catch (error) {
    closeSync(readFd);
    throw error;
  } finally {
    unlinkQuietly(path);
  }
}

/** A name that stays is no harm: it is removed at the next start. */
function unlinkQuietly(path: string): void {
  try {
    unlinkSync(path);
  } catch (error) {
    if (errnoOf(error) === "") throw error;
  }
}

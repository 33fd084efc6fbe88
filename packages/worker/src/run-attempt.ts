import { randomBytes } from "node:crypto";
import { statfs } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { type AttemptRef, type Outcome, outcomeOf } from "@hodei/domain";
import type { Logger } from "pino";
import { toCommand } from "./attempt-command.ts";
import {
  type AttemptDirectory,
  attemptDirectory,
  fillDirectory,
  removeDirectory,
  resolveWorkingDir,
} from "./attempt-directory.ts";
import { attemptEnvironment, type Environment } from "./attempt-environment.ts";
import { AttemptFailure } from "./attempt-failure.ts";
import { type AttemptProcess, type Launch, startProcess } from "./attempt-process.ts";
import type {
  AttemptEnd,
  AttemptOutput,
  AttemptRun,
  AttemptSpec,
  StartAttempt,
} from "./attempt-run.ts";
import type { AttemptUser } from "./attempt-user.ts";
import { startDeadline, type WorkerClock } from "./clock.ts";
import type { GroupLimits } from "./control-groups/group-folder.ts";
import { OutputReader } from "./output-reader.ts";
import type { PreludeCommand } from "./processes/prelude.ts";
import type { ProcessTable } from "./processes/process-table.ts";
import { ProcessTree } from "./processes/process-tree.ts";
import { SANDBOX_LABEL, type Sandbox, sandboxWords } from "./processes/sandbox.ts";
import type { ProcessExit, ShellPool } from "./processes/shell-pool.ts";
import { withRedaction } from "./redacted-attempt.ts";
import { type Delivery, deliverSecrets, forgetSecrets } from "./secrets/deliver-secrets.ts";
import type { MemoryFolders } from "./secrets/memory-folders.ts";

/** How long processes are killed, again and again, before what is left of the attempt is called unkillable. */
const KILL_WAIT_MS = 2_000;
/** At least so often: a worker that was itself stopped meanwhile must not take that for processes that do not end. */
const KILLS_MIN = 20;
/** How long output is still read after the last process that can be found has ended. */
const OUTPUT_WAIT_MS = 2_000;
/** A command that fails with less than this left on the disk of its directory has met the end of the disk. */
const DISK_FULL_BYTES = 1024 * 1024;
/** The kernel tells nobody when a process that is not its child ends, so the tree is looked at this often. */
const TREE_POLL_MS = 25;

export interface RunAttemptDeps {
  readonly clock: WorkerClock;
  readonly log: Logger;
  readonly shells: Pick<ShellPool, "take">;
  /** Limits that no spec asks for. */
  readonly limits: Pick<GroupLimits, "isCpuCapped" | "pidsMax"> & Pick<PreludeCommand, "openFiles">;
  /** For attempts that want one. */
  readonly sandbox: Sandbox;
  /** Whom attempts run as, in these shells; `undefined`: the worker's own user. */
  readonly user: AttemptUser | undefined;
  /** The worker's own environment, or that of `user`. */
  readonly hostEnv: Environment;
  /** For secrets that come as files. */
  readonly memory: Pick<MemoryFolders, "create" | "remove">;
  readonly processes: Pick<ProcessTable, "scan">;
  /** Where private directories are made. */
  readonly attemptsPath: string;
  /** SIGKILL did not end every process of an attempt: the machine is not fit for others. */
  readonly onUnkillable: () => void;
}

/**
 * Runs attempts as processes of this machine: private directory, clean environment, own session. None of their
 * processes outlives them, unless the spec wants it. What they say comes without their secrets.
 */
export function createStartAttempt(deps: RunAttemptDeps): StartAttempt {
  return withRedaction((ref, spec, output) => new ProcessRun(deps, ref, spec, output));
}

class ProcessRun implements AttemptRun {
  readonly ended: Promise<AttemptEnd>;
  readonly #deps: RunAttemptDeps;
  readonly #ref: AttemptRef;
  readonly #spec: AttemptSpec;
  readonly #output: AttemptOutput;
  /** While it may be signalled. */
  #tree: ProcessTree | undefined;
  #reader: OutputReader | undefined;
  #delivery: Delivery | undefined;
  /** Set once somebody wants the attempt to end. */
  #wanted: Outcome | undefined;
  #isKillWanted = false;
  #killing: Promise<void> | undefined;
  #hasGivenUp = false;
  /** Resolves when SIGKILL did not help. */
  readonly #gaveUp = Promise.withResolvers<undefined>();
  readonly #timers: (() => void)[] = [];

  constructor(deps: RunAttemptDeps, ref: AttemptRef, spec: AttemptSpec, output: AttemptOutput) {
    this.#deps = deps;
    this.#ref = ref;
    this.#spec = spec;
    this.#output = output;
    this.ended = this.#run();
  }

  terminate(outcome: Outcome): void {
    if (this.#wanted !== undefined) return;
    this.#wanted = outcome;
    if (this.#tree !== undefined) this.#startGrace(this.#tree);
  }

  kill(): void {
    this.#wanted ??= outcomeOf("worker_lost", "The worker gave the attempt up.");
    this.#isKillWanted = true;
    if (this.#tree !== undefined) this.#startKill(this.#tree);
  }

  resumeOutput(): void {
    this.#reader?.resume();
  }

  async #run(): Promise<AttemptEnd> {
    const { jobId, attempt } = this.#ref;
    // The random part: nobody can take another attempt's processes for his own, nor his own for another's.
    const name = `${jobId}-${attempt}-${randomBytes(8).toString("hex")}`;
    const directory = attemptDirectory(join(this.#deps.attemptsPath, name));
    try {
      const launch = await this.#prepare(directory);
      if (this.#wanted !== undefined)
        return { outcome: this.#wanted, processesLeft: 0, usage: null };
      const secrets = this.#delivery?.secretVariables ?? [];
      const process = await startProcess(launch, secrets, this.#deps.shells);
      forgetSecrets(this.#spec.secrets);
      return await this.#follow(process, directory);
    } catch (error) {
      if (error instanceof AttemptFailure)
        return { outcome: error.outcome, processesLeft: 0, usage: null };
      this.#deps.log.error({ event: "attempt.failed", jobId, attempt, err: error });
      const message = `The worker failed: ${error instanceof Error ? error.message : String(error)}`;
      return { outcome: outcomeOf("internal", message), processesLeft: 0, usage: null };
    } finally {
      for (const cancel of this.#timers) cancel();
      await this.#forgetSecrets();
      // What could not be ended is found by its directory's name when the worker starts again.
      if (!this.#hasGivenUp) void this.#remove(directory);
    }
  }

  async #prepare(directory: AttemptDirectory): Promise<Launch> {
    const { work, workingDir, env: specEnv, stdin, secrets, isolation } = this.#spec;
    const { cpuMillis, memoryBytes } = this.#spec;
    const command = toCommand(work, directory.scriptPath);
    await fillDirectory(directory, this.#spec, this.#deps.user);
    const cwd = await resolveWorkingDir(directory.workPath, workingDir, this.#deps.user);
    this.#delivery = await deliverSecrets(this.#deps.memory, secrets);
    // In a sandbox everybody's home is read only.
    const isHomeOwn = isolation.privateHome || isolation.sandbox;
    const home = isHomeOwn ? { HOME: directory.homePath } : {};
    const wanted = { ...home, ...specEnv, ...this.#delivery?.variables };
    const env = attemptEnvironment(this.#deps.hostEnv, wanted, { ref: this.#ref, directory, cwd });
    const { openFiles, ...limits } = this.#deps.limits;
    return {
      ...command,
      cwd,
      env,
      openFiles,
      wrapper: isolation.sandbox ? this.#sandboxWords(directory, cwd) : [],
      stdinPath: stdin.length > 0 ? directory.stdinPath : undefined,
      script:
        work.kind === "script" && command.file === directory.scriptPath ? work.content : undefined,
      limits: { ...limits, cpuMillis, memoryBytes: memoryBytes || null },
    };
  }

  /** @throws AttemptFailure `spawn_failed` on a worker without one */
  #sandboxWords(directory: AttemptDirectory, cwd: string): readonly string[] {
    const { sandbox, attemptsPath } = this.#deps;
    if (sandbox.kind === "missing") {
      const message = `This worker has no sandbox: ${sandbox.why}. Install bubblewrap there, or constrain the job to workers with the label ${SANDBOX_LABEL}.`;
      throw new AttemptFailure("spawn_failed", message);
    }
    const { path: attemptDir, tmpPath: tmpDir } = directory;
    const secretsDir = this.#delivery?.directory;
    const stateDir = dirname(attemptsPath);
    return sandboxWords(sandbox.program, { stateDir, attemptDir, tmpDir, cwd, secretsDir });
  }

  /** From the start of the process to the end of everything. */
  async #follow(process: AttemptProcess, directory: AttemptDirectory): Promise<AttemptEnd> {
    const { clock, processes: table } = this.#deps;
    const { stdoutFd: stdout, stderrFd: stderr, pid: leaderPid, group } = process;
    const attemptName = basename(directory.path);
    const tree = new ProcessTree({ table, leaderPid, attemptName, group });
    this.#reader = new OutputReader(clock, { stdout, stderr }, this.#output);
    this.#tree = tree;
    if (this.#wanted !== undefined) this.#startGrace(tree);
    const cancelTimeout = this.#startTimeout();
    const exit = await Promise.race([process.exited, this.#gaveUp.promise]);
    cancelTimeout();
    if (exit !== undefined) tree.forgetLeader();
    const isClean = this.#wanted === undefined && (await tree.isEmpty());
    if (!isClean) await this.#endStragglers(tree);
    if (isClean) this.#tree = undefined;
    this.#reader.closeAfter(OUTPUT_WAIT_MS);
    await this.#reader.closed;
    // What the spec lets live may have been cancelled meanwhile.
    if (this.#tree !== undefined) await this.#endStragglers(tree);
    this.#tree = undefined;
    // Whoever was still starting a process when the others ended is seen now.
    const left = isClean ? [] : await tree.list();
    // Or they have ended after all.
    this.#hasGivenUp &&= left.length > 0;
    if (this.#hasGivenUp) this.#deps.onUnkillable();
    const oomKillCount = group?.readOomKillCount() ?? 0;
    const outcome = await this.#explainDisk(this.#outcome(exit, left, oomKillCount));
    const usage = group?.readUsage() ?? null;
    if (!this.#hasGivenUp) group?.release(left);
    void group?.remove();
    return { outcome, processesLeft: left.length, usage };
  }

  /** Counts from the start of the process, in monotonic time. */
  #startTimeout(): () => void {
    const { runMs } = this.#spec;
    if (runMs === null) return () => {};
    return startDeadline(this.#deps.clock, runMs, () => {
      this.terminate(outcomeOf("run_timeout", `The attempt ran longer than ${runMs} ms.`));
    });
  }

  /**
   * Ends what the first process left behind. When the attempt is being terminated the rest has until the end of the
   * grace; after an end of its own accord there is nothing to wait for, and the spec may want the rest to live.
   */
  async #endStragglers(tree: ProcessTree): Promise<void> {
    for (;;) {
      const running = await tree.list();
      const isKept = this.#wanted === undefined && this.#spec.keepBackground;
      if (running.length === 0 || isKept || this.#hasGivenUp) return;
      if (this.#wanted === undefined) this.#startKill(tree);
      await this.#deps.clock.sleep(TREE_POLL_MS);
    }
  }

  #startGrace(tree: ProcessTree): void {
    const { graceMs } = this.#spec;
    if (graceMs === 0 || this.#isKillWanted) {
      this.#startKill(tree);
      return;
    }
    tree.terminate().catch((err) => this.#tellSignalError(err));
    this.#timers.push(startDeadline(this.#deps.clock, graceMs, () => this.#startKill(tree)));
  }

  #startKill(tree: ProcessTree): void {
    this.#killing ??= this.#killAll(tree)
      .catch((err) => this.#tellSignalError(err))
      .finally(() => {
        this.#killing = undefined;
      });
  }

  /** Again each time, since those that were killed may have started others meanwhile. */
  async #killAll(tree: ProcessTree): Promise<void> {
    const { clock } = this.#deps;
    const endsAtMs = clock.monotonicMs() + KILL_WAIT_MS;
    for (let count = 1; (await tree.kill()) > 0; count += 1) {
      if (count >= KILLS_MIN && clock.monotonicMs() >= endsAtMs) {
        this.#hasGivenUp = true;
        this.#gaveUp.resolve(undefined);
        return;
      }
      await clock.sleep(TREE_POLL_MS);
    }
  }

  #tellSignalError(err: unknown): void {
    const { jobId, attempt } = this.#ref;
    this.#deps.log.error({ event: "attempt.signal_failed", jobId, attempt, err });
  }

  /** `exit`: `undefined` when the first process would not end. */
  #outcome(exit: ProcessExit | undefined, left: readonly number[], oomKillCount: number): Outcome {
    if (this.#wanted !== undefined && left.length > 0) {
      const pids = left.slice(0, 20).join(", ");
      return outcomeOf("unkillable", `SIGKILL did not end ${left.length} process(es): ${pids}.`);
    }
    const { exitCode = null, signal = null } = exit ?? {};
    if (this.#wanted !== undefined) return { ...this.#wanted, exitCode, signal };
    if (exitCode !== 0 && oomKillCount > 0) {
      const message = `The attempt needed more memory than its limit of ${this.#spec.memoryBytes} bytes.`;
      return { reason: "oom_killed", exitCode, signal, message };
    }
    if (signal !== null) {
      return { reason: "signal", exitCode, signal, message: `The process was ended by ${signal}.` };
    }
    if (exitCode === 0) return { reason: "completed", exitCode, signal, message: "" };
    const message = `The process exited with code ${exitCode}.`;
    return { reason: "non_zero_exit", exitCode, signal, message };
  }

  /** Programs say "no space left" in their own words, and end with a code of their own. */
  async #explainDisk(outcome: Outcome): Promise<Outcome> {
    if (outcome.reason !== "non_zero_exit" && outcome.signal !== "SIGBUS") return outcome;
    const { bavail, bsize } = await statfs(this.#deps.attemptsPath);
    if (bavail * bsize >= DISK_FULL_BYTES) return outcome;
    const message = `${outcome.message} The worker's disk was full then.`;
    return { ...outcome, reason: "disk_full", message };
  }

  /** Nothing of them is left when the end is told. */
  async #forgetSecrets(): Promise<void> {
    forgetSecrets(this.#spec.secrets);
    try {
      await this.#delivery?.remove();
    } catch (err) {
      this.#deps.log.error({ event: "attempt.secret_files_not_removed", err });
    }
  }

  async #remove(directory: AttemptDirectory): Promise<void> {
    try {
      await removeDirectory(directory);
    } catch (err) {
      this.#deps.log.error({ event: "attempt.directory_not_removed", path: directory.path, err });
    }
  }
}

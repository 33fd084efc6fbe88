import { randomUUID } from "node:crypto";
import { chmod, mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { AttemptRef, JobId, LeaseToken, LogStream } from "@hodei/domain";
import { pino } from "pino";
import type { Environment } from "../src/attempt-environment.ts";
import type { AttemptEnd, AttemptRun, AttemptSpec } from "../src/attempt-run.ts";
import { type AttemptUser, environmentOf, findAttemptUser } from "../src/attempt-user.ts";
import { systemClock, type WorkerClock } from "../src/clock.ts";
import { ControlGroups } from "../src/control-groups/control-groups.ts";
import { PipePool } from "../src/pipe-pool.ts";
import { ProcessTable } from "../src/processes/process-table.ts";
import { findSandbox, type Sandbox } from "../src/processes/sandbox.ts";
import { ShellPool } from "../src/processes/shell-pool.ts";
import { createStartAttempt } from "../src/run-attempt.ts";
import { MemoryFolders } from "../src/secrets/memory-folders.ts";

/** A spec of `argv` or of a script, with what `parts` replaces. */
export function specOf(
  work: readonly string[] | string | AttemptSpec["work"],
  parts: Partial<AttemptSpec> = {},
): AttemptSpec {
  return {
    work: toWork(work),
    env: {},
    workingDir: "",
    stdin: new Uint8Array(0),
    files: [],
    secrets: [],
    gpuCount: 0,
    runMs: null,
    graceMs: 10_000,
    cpuMillis: 1000,
    memoryBytes: 0,
    keepBackground: false,
    isolation: { privateHome: false, sandbox: false },
    logPolicy: { maxBytes: Number.POSITIVE_INFINITY, overflow: "drop" },
    ...parts,
  };
}

function toWork(work: readonly string[] | string | AttemptSpec["work"]): AttemptSpec["work"] {
  if (typeof work === "string") {
    return {
      kind: "script",
      content: work,
      interpreter: "",
      args: [],
      withoutSafetyPreamble: false,
    };
  }
  return "kind" in work ? work : { kind: "command", argv: work };
}

export function newRef(): AttemptRef {
  return { jobId: randomUUID() as JobId, attempt: 1, leaseToken: randomUUID() as LeaseToken };
}

const silent = pino({ level: "silent" });

/** What an attempt wrote, and how it ended. */
export interface Finished extends AttemptEnd {
  readonly stdout: Buffer;
  readonly stderr: Buffer;
  /** Both streams in the order in which they were read. */
  readonly output: Buffer;
}

export interface Started {
  readonly ref: AttemptRef;
  readonly run: AttemptRun;
  /** What was written so far. */
  readonly text: () => string;
  readonly finished: Promise<Finished>;
}

export interface FixtureOptions {
  /** The folder in memory in which secret files may lie. */
  readonly memory?: string;
  /** As where no control groups can be made. */
  readonly withoutGroups?: boolean;
  /** Whom attempts run as. */
  readonly runAs?: string;
  /** Where bubblewrap is looked for. */
  readonly sandbox?: string;
  readonly clock?: WorkerClock;
}

interface Surroundings {
  readonly hostEnv: Environment;
  readonly user: AttemptUser | undefined;
  readonly sandbox: Sandbox;
  readonly clock: WorkerClock;
}

/** Runs attempts as the worker does, in a folder of their own. */
export class AttemptFixture {
  readonly root: string;
  readonly attemptsPath: string;
  /** How often an attempt could not be ended. */
  unkillableCount = 0;
  readonly #running = new Set<Started>();
  readonly #pipes: PipePool;
  readonly #groups: ControlGroups;
  readonly #shells: ShellPool;
  readonly #hostEnv: Environment;
  readonly #user: AttemptUser | undefined;
  readonly #sandbox: Sandbox;
  readonly #memory: MemoryFolders;
  readonly #memoryRoot: string;
  readonly #clock: WorkerClock;

  private constructor(
    root: string,
    { hostEnv, user, sandbox, clock }: Surroundings,
    memory: { readonly folders: MemoryFolders; readonly root: string },
    groups: { readonly all: ControlGroups; readonly used: Pick<ControlGroups, "create"> },
  ) {
    this.#groups = groups.all;
    this.#hostEnv = environmentOf(user, hostEnv);
    this.#user = user;
    this.#sandbox = sandbox;
    this.#clock = clock;
    this.#memory = memory.folders;
    this.#memoryRoot = memory.root;
    this.root = root;
    this.attemptsPath = join(root, "attempts");
    this.#pipes = new PipePool(join(root, "pipes"), user);
    this.#shells = new ShellPool({ log: silent, pipes: this.#pipes, groups: groups.used, user });
  }

  /** `hostEnv`: the environment of the worker. */
  static async create(hostEnv: Environment, options: FixtureOptions = {}): Promise<AttemptFixture> {
    const { memory = "/dev/shm", withoutGroups = false, clock = systemClock } = options;
    const { runAs, sandbox: path } = options;
    const user = await findAttemptUser({ runAs, allowRoot: true });
    const sandbox = await findSandbox(path ?? hostEnv.PATH, user);
    const root = await mkdtemp(join(tmpdir(), "hodei-worker-test-"));
    // A folder of its own, where no worker that starts meanwhile tidies up.
    const memoryRoot = await mkdtemp(join(memory, "hodei-worker-test-"));
    const folders = await MemoryFolders.open(root, [memoryRoot], user);
    if (user !== undefined) {
      for (const path of [root, memoryRoot]) await chmod(path, 0o711);
    }
    const all = await ControlGroups.open({ log: silent });
    const used = withoutGroups ? { create: () => undefined } : all;
    const parts = { folders, root: memoryRoot };
    const fixture = new AttemptFixture(root, { hostEnv, user, sandbox, clock }, parts, {
      all,
      used,
    });
    await mkdir(fixture.attemptsPath, { mode: 0o711 });
    await fixture.#pipes.start();
    fixture.#shells.start();
    return fixture;
  }

  /** Ends what a failed test left running, too. */
  async remove(): Promise<void> {
    for (const { run } of this.#running) run.kill();
    await Promise.all([...this.#running].map(({ finished }) => finished));
    await this.#shells.stop();
    this.#groups.close();
    await rm(this.root, { recursive: true, force: true });
    await rm(this.#memoryRoot, { recursive: true, force: true });
  }

  start(spec: AttemptSpec): Started {
    const chunks: { stream: LogStream; bytes: Uint8Array }[] = [];
    const startAttempt = createStartAttempt({
      clock: this.#clock,
      log: silent,
      shells: this.#shells,
      limits: { isCpuCapped: false, pidsMax: 100, openFiles: 1024 },
      user: this.#user,
      sandbox: this.#sandbox,
      memory: this.#memory,
      hostEnv: this.#hostEnv,
      processes: new ProcessTable(),
      attemptsPath: this.attemptsPath,
      onUnkillable: () => {
        this.unkillableCount += 1;
      },
    });
    const ref = newRef();
    const run = startAttempt(ref, spec, {
      write(stream, bytes) {
        chunks.push({ stream, bytes });
        return true;
      },
    });
    const all = (stream?: LogStream): Buffer =>
      Buffer.concat(
        chunks.filter((c) => stream === undefined || c.stream === stream).map(({ bytes }) => bytes),
      );
    const finished = run.ended.then((end) => ({
      ...end,
      stdout: all("stdout"),
      stderr: all("stderr"),
      output: all(),
    }));
    const started = { ref, run, text: () => all().toString(), finished };
    this.#running.add(started);
    void finished.finally(() => this.#running.delete(started));
    return started;
  }

  run(spec: AttemptSpec): Promise<Finished> {
    return this.start(spec).finished;
  }
}

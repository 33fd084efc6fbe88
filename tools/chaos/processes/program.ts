import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, openSync } from "node:fs";
import { open } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { ROOT } from "../../repository.ts";

export interface ProgramOptions {
  readonly name: string;
  /** Grows over all starts; also what the program prints by accident. */
  readonly logFile: string;
  /** Of `hodei`. */
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
}

/** Time for a program to end after SIGTERM; then it is killed, which is a violation of its own. */
const STOP_LIMIT_MS = 60_000;
const POLL_MS = 50;

/** One `hodei` process of its own session, which is ended and started again at will. */
export class Program {
  readonly name: string;
  readonly #options: ProgramOptions;
  readonly #unexpectedEnds: string[] = [];
  #child: ChildProcess | undefined;
  #logStartBytes = 0;
  #isEndWanted = false;

  constructor(options: ProgramOptions) {
    this.name = options.name;
    this.#options = options;
  }

  /** 0 while it does not run. */
  get pid(): number {
    return this.isRunning ? (this.#child?.pid ?? 0) : 0;
  }

  get isRunning(): boolean {
    const child = this.#child;
    return child?.pid !== undefined && child.exitCode === null && child.signalCode === null;
  }

  /** What it did of its own accord: ends that nobody asked for, and stops that took too long. */
  get unexpectedEnds(): readonly string[] {
    return this.#unexpectedEnds;
  }

  /** `env` comes on top, for this start alone. */
  async start(env: Readonly<Record<string, string>> = {}): Promise<void> {
    const { name, logFile, args, env: base } = this.#options;
    const log = openSync(logFile, "a");
    this.#logStartBytes = (await readTail(logFile, 0)).length;
    const inherited = Object.entries(process.env).filter(
      ([key]) => !/^(?:HODEI_|XDG_STATE)/.test(key),
    );
    const child = spawn(process.execPath, [join(ROOT, "packages/cli/bin/hodei.mjs"), ...args], {
      // Ctrl-C is for this process, which then ends the others.
      detached: true,
      stdio: ["ignore", log, log],
      env: { ...Object.fromEntries(inherited), ...base, ...env },
    });
    closeSync(log);
    this.#child = child;
    this.#isEndWanted = false;
    child.once("exit", (code, signal) => {
      if (!this.#isEndWanted)
        this.#unexpectedEnds.push(`${name} ended by itself: ${signal ?? `exit code ${code}`}`);
    });
    await once(child, "spawn");
  }

  /** Fields of the first line with `event` that it logged since its start. @throws Error if it ends before, or takes too long */
  async untilLogged(event: string, limitMs: number): Promise<Readonly<Record<string, unknown>>> {
    const endsAtMs = performance.now() + limitMs;
    for (;;) {
      const text = await readTail(this.#options.logFile, this.#logStartBytes);
      const line = text.split("\n").find((candidate) => candidate.includes(`"event":"${event}"`));
      if (line !== undefined) return JSON.parse(line);
      if (!this.isRunning || performance.now() > endsAtMs) {
        throw new Error(`${this.name} logged no ${event}:\n${text.slice(-2_000)}`);
      }
      await delay(POLL_MS);
    }
  }

  /** Whether `text` stands in what it logged since its start. */
  async hasLogged(text: string): Promise<boolean> {
    return (await readTail(this.#options.logFile, this.#logStartBytes)).includes(text);
  }

  /** Its last end by itself was one that may be. */
  forgiveEnd(): void {
    this.#unexpectedEnds.pop();
  }

  signal(name: NodeJS.Signals): void {
    if (this.isRunning) this.#child?.kill(name);
  }

  /** Resolves when it is gone; what it started lives on. */
  async kill(): Promise<void> {
    await this.#end("SIGKILL", STOP_LIMIT_MS);
  }

  /** Asks it to leave. One that does not is killed and has an unexpected end. */
  async stop(): Promise<void> {
    this.signal("SIGCONT");
    if (await this.#end("SIGTERM", STOP_LIMIT_MS)) {
      const code = this.#child?.exitCode;
      if (code !== null && code !== 0)
        this.#unexpectedEnds.push(`${this.name} left with exit code ${code}`);
      return;
    }
    this.#unexpectedEnds.push(`${this.name} did not leave within ${STOP_LIMIT_MS} ms`);
    await this.kill();
  }

  /** Whether it was gone within `limitMs`. */
  async #end(signal: NodeJS.Signals, limitMs: number): Promise<boolean> {
    const child = this.#child;
    if (child === undefined || !this.isRunning) return true;
    this.#isEndWanted = true;
    const exited = once(child, "exit").then(() => true);
    child.kill(signal);
    const waiting = new AbortController();
    const isGone = await Promise.race([exited, delay(limitMs, false, { signal: waiting.signal })]);
    waiting.abort();
    return isGone;
  }
}

async function readTail(path: string, from: number): Promise<string> {
  const file = await open(path, "r");
  try {
    const { size } = await file.stat();
    const buffer = Buffer.alloc(Math.max(0, size - from));
    await file.read(buffer, 0, buffer.length, from);
    return buffer.toString("latin1");
  } finally {
    await file.close();
  }
}

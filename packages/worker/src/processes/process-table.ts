import { closeSync, openSync, readdirSync, readSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { basename } from "node:path";
import process from "node:process";
import { errnoOf } from "../errno.ts";

/** The variable by which processes of attempts are found; its value is the path of the attempt's directory. */
export const ATTEMPT_VARIABLE = "HODEI_ATTEMPT_DIR";

/** Processes looked at before the event loop gets its turn: about 1 ms. */
const SLICE_COUNT = 100;

/** A process as `/proc` shows it. */
export interface ProcessInfo {
  readonly pid: number;
  readonly parentPid: number;
  readonly groupId: number;
  readonly sessionId: number;
  /** Clock ticks from boot; with the pid it names the process for ever. */
  readonly startTicks: number;
  /** Has ended and waits to be collected by its parent. */
  readonly isZombie: boolean;
  /** Last part of `HODEI_ATTEMPT_DIR` as it was when the program was started; empty without one. */
  readonly attemptName: string;
}

/** Longer than any `/proc/<pid>/stat`: 52 numbers and a name of 64 bytes. */
const STAT_BUFFER = Buffer.alloc(2048);

/** Whether processes can be listed: not on macOS, which has no `/proc`. */
export const hasProcessTable = readStat(process.pid) !== undefined;

/** When the process began; `undefined` if it has gone. */
export function readStartTicks(pid: number): number | undefined {
  return readStat(pid)?.startTicks;
}

/**
 * The processes of this machine. Everybody who wants to look while a scan is under way shares the next one, so many
 * attempts that end at once cost no more than one.
 */
export class ProcessTable {
  readonly #oldestTicks: number;
  /**
   * Names that the last scan found, by process: a process does not get another. A shell that waits for its attempt has no
   * environment at all, which is not remembered.
   */
  #names = new Map<string, string>();
  #running: Promise<readonly ProcessInfo[]> | undefined;
  #next: Promise<readonly ProcessInfo[]> | undefined;

  /** `isOlderIncluded`: also processes that began before this one, which no attempt of this worker can have. */
  constructor({ isOlderIncluded = false }: { isOlderIncluded?: boolean } = {}) {
    this.#oldestTicks = isOlderIncluded ? 0 : (readStartTicks(process.pid) ?? 0);
  }

  /** All processes but this one, as they were at some moment after the call. Empty without `/proc`. */
  scan(): Promise<readonly ProcessInfo[]> {
    if (this.#running === undefined) return this.#start();
    this.#next ??= this.#running.then(() => {
      this.#next = undefined;
      return this.#start();
    });
    return this.#next;
  }

  #start(): Promise<readonly ProcessInfo[]> {
    this.#running = this.#scan().finally(() => {
      this.#running = undefined;
    });
    return this.#running;
  }

  async #scan(): Promise<readonly ProcessInfo[]> {
    if (!hasProcessTable) return [];
    const pids = readdirSync("/proc")
      .filter((name) => /^\d+$/.test(name))
      .map(Number);
    const found: ProcessInfo[] = [];
    const names = new Map<string, string>();
    for (let at = 0; at < pids.length; at += SLICE_COUNT) {
      if (at > 0) await new Promise((resolve) => setImmediate(resolve));
      const stats = pids.slice(at, at + SLICE_COUNT).map(readStat);
      const wanted = stats.filter((stat): stat is ProcessInfo => this.#isWanted(stat));
      found.push(...(await Promise.all(wanted.map((stat) => this.#withName(stat, names)))));
    }
    this.#names = names;
    return found;
  }

  #isWanted(stat: ProcessInfo | undefined): boolean {
    if (stat === undefined || stat.pid === process.pid) return false;
    return stat.startTicks >= this.#oldestTicks;
  }

  async #withName(info: ProcessInfo, names: Map<string, string>): Promise<ProcessInfo> {
    const key = `${info.pid}/${info.startTicks}`;
    const attemptName = this.#names.get(key) ?? (await readAttemptName(info));
    if (attemptName === undefined) return info;
    names.set(key, attemptName);
    return { ...info, attemptName };
  }
}

/**
 * Of `/proc/<pid>/stat`, proc_pid_stat(5); `undefined` once the process has gone. Read synchronously: it never waits, and
 * a turn of the thread pool costs several times as much.
 */
function readStat(pid: number): ProcessInfo | undefined {
  let text: string;
  try {
    const fd = openSync(`/proc/${pid}/stat`, "r");
    try {
      text = STAT_BUFFER.toString("latin1", 0, readSync(fd, STAT_BUFFER));
    } finally {
      closeSync(fd);
    }
  } catch (error) {
    // The latter two where /proc hides the processes of other users (hidepid), which are none of ours.
    if (["ENOENT", "ESRCH", "EPERM", "EACCES"].includes(errnoOf(error))) return undefined;
    throw error;
  }
  // The second field is the program's name in parentheses and may itself hold blanks and parentheses.
  const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
  const [state, parentPid, groupId, sessionId] = fields;
  return {
    pid,
    parentPid: Number(parentPid),
    groupId: Number(groupId),
    sessionId: Number(sessionId),
    startTicks: Number(fields[19]),
    isZombie: state === "Z" || state === "X",
    attemptName: "",
  };
}

/**
 * `undefined` when it has no environment, or not now: while a program takes the place of another there is none. Not read
 * synchronously: the kernel may hold a reader up while the process waits for a broken disk.
 */
async function readAttemptName({ pid, isZombie }: ProcessInfo): Promise<string | undefined> {
  if (isZombie) return undefined;
  try {
    const environ = await readFile(`/proc/${pid}/environ`, "latin1");
    return environ === "" ? undefined : findAttemptName(environ);
  } catch {
    // Gone meanwhile, or another user's; its other signs still count.
    return undefined;
  }
}

function findAttemptName(environ: string): string {
  const start = `\0${environ}`.indexOf(`\0${ATTEMPT_VARIABLE}=`);
  if (start === -1) return "";
  const [value = ""] = environ.slice(start + ATTEMPT_VARIABLE.length + 1).split("\0", 1);
  return basename(value);
}

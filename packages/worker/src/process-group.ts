import { readdir, readFile } from "node:fs/promises";
import { kill } from "node:process";
import { errnoOf } from "./errno.ts";

/**
 * The processes that a detached child and its descendants form, as long as those do not leave it. `id` is the process id
 * of the child; the kernel gives it to nobody else while the group has a member.
 */
export class ProcessGroup {
  readonly id: number;

  constructor(id: number) {
    this.id = id;
  }

  /** Nothing happens when no process is left, or those that are left belong to another user. */
  signal(signal: "SIGTERM" | "SIGKILL"): void {
    this.#kill(signal);
  }

  /** Processes that still run; those that have ended and wait to be collected by their parent do not count. */
  async listRunning(): Promise<number[]> {
    if (!this.#kill(0)) return [];
    try {
      const pids = (await readdir("/proc")).filter((name) => /^\d+$/.test(name));
      const states = await Promise.all(pids.map((pid) => readStat(Number(pid))));
      return states.filter((s) => s?.group === this.id && !s.isZombie).map((s) => s?.pid ?? 0);
    } catch (error) {
      // Without /proc (macOS) only the existence of the group is known; its first process stands for all.
      if (errnoOf(error) === "ENOENT") return [this.id];
      throw error;
    }
  }

  /** Whether the group has a member, running or not. */
  #kill(signal: NodeJS.Signals | 0): boolean {
    try {
      kill(-this.id, signal);
      return true;
    } catch (error) {
      if (errnoOf(error) === "ESRCH") return false;
      if (errnoOf(error) === "EPERM") return true;
      throw error;
    }
  }
}

interface ProcessStat {
  readonly pid: number;
  readonly group: number;
  readonly isZombie: boolean;
}

/** Of `/proc/<pid>/stat`, proc_pid_stat(5); `undefined` once the process has gone. */
async function readStat(pid: number): Promise<ProcessStat | undefined> {
  let text: string;
  try {
    text = await readFile(`/proc/${pid}/stat`, "latin1");
  } catch (error) {
    if (["ENOENT", "ESRCH"].includes(errnoOf(error))) return undefined;
    throw error;
  }
  // The second field is the program's name in parentheses and may itself hold blanks and parentheses.
  const [state, , group] = text.slice(text.lastIndexOf(")") + 2).split(" ");
  return { pid, group: Number(group), isZombie: state === "Z" || state === "X" };
}

import { mkdirSync, readFileSync, rmdirSync, writeFileSync } from "node:fs";
import { rmdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Usage } from "@hodei/domain";
import { errnoOf } from "../errno.ts";
import type { GroupFolder, GroupLimits } from "./group-folder.ts";

const PROCS = "cgroup.procs";

/** The control group of one attempt: a folder in each hierarchy that is of use. */
export class ControlGroup {
  readonly #folders: readonly GroupFolder[];

  /** Makes the folders. @throws system errors; what was made is taken away then */
  constructor(folders: readonly GroupFolder[]) {
    this.#folders = folders;
  }

  /** To be written by each process that joins. */
  get procsPaths(): readonly string[] {
    return this.#folders.map(({ path }) => join(path, PROCS));
  }

  /** Lets a process in that may not join by itself, which takes the kernel up to 15 ms. */
  async add(pid: number): Promise<void> {
    await Promise.all(this.procsPaths.map((path) => writeFile(path, `${pid}`)));
  }

  setLimits(limits: GroupLimits): void {
    for (const folder of this.#folders) folder.setLimits(limits);
  }

  /** Members by any of the hierarchies; those that have ended not among them. */
  listPids(): readonly number[] {
    return [...new Set(this.#folders.flatMap(({ path }) => readPids(path)))];
  }

  /** Kills every member at once where a hierarchy can. */
  kill(): void {
    for (const folder of this.#folders) folder.kill();
  }

  /** `null` where nothing counts the time: what else there is says little without it. */
  readUsage(): Usage | null {
    const usage = this.#folders.map((folder) => folder.readUsage());
    const { cpuMs, ...rest } = Object.assign({}, ...usage) as Partial<Usage>;
    if (cpuMs === undefined) return null;
    return { peakMemoryBytes: 0, readBytes: 0, writtenBytes: 0, ...rest, cpuMs };
  }

  readOomKillCount(): number {
    return Math.max(0, ...this.#folders.map((folder) => folder.readOomKillCount()));
  }

  /** Lets members go that are to outlive the group, and with that out of its limits. */
  release(pids: readonly number[]): void {
    for (const { outsidePath } of this.#folders) {
      for (const pid of pids) {
        try {
          writeFileSync(join(outsidePath, PROCS), `${pid}`);
        } catch {
          // It has ended, or has to stay; then so does the folder.
        }
      }
    }
  }

  /**
   * A folder that still has members stays, for whoever ends them. Waits while the kernel lets another process into a group,
   * which takes it up to 15 ms.
   */
  async remove(): Promise<void> {
    await Promise.allSettled(this.#folders.map(({ path }) => rmdir(path)));
  }
}

/** Makes the folder of a group; one that is there already is taken. */
export function makeFolder(path: string): void {
  mkdirSync(path, { recursive: true });
}

/** Whether it is gone. */
export function removeFolder(path: string): boolean {
  try {
    rmdirSync(path);
    return true;
  } catch (error) {
    return errnoOf(error) === "ENOENT";
  }
}

/** Processes of other process id namespaces have the number 0 here, and are none of ours. */
export function readPids(path: string): readonly number[] {
  try {
    const text = readFileSync(join(path, PROCS), "utf8");
    return text
      .split("\n")
      .map(Number)
      .filter((pid) => pid > 0);
  } catch (error) {
    if (["ENOENT", "ENODEV"].includes(errnoOf(error))) return [];
    throw error;
  }
}

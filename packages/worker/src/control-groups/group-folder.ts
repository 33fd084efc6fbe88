import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Usage } from "@hodei/domain";

/** What an attempt may take of the machine. */
export interface GroupLimits {
  /** Share of the cores that it gets when others want them too. */
  readonly cpuMillis: number;
  /** Whether it never gets more than that share, even when nobody else wants it. */
  readonly isCpuCapped: boolean;
  /** `null`: as much as there is. */
  readonly memoryBytes: number | null;
  /** Processes and threads alive at once. */
  readonly pidsMax: number;
}

/** The folder of one group in one hierarchy; which version it is of is hidden here. */
export interface GroupFolder {
  readonly path: string;
  /** Where a process of this group goes when it is to outlive it. */
  readonly outsidePath: string;
  /** @throws system errors, when the kernel refuses a limit */
  setLimits(limits: GroupLimits): void;
  /** What this hierarchy measures. */
  readUsage(): Partial<Usage>;
  /** Members that the kernel killed because the memory limit was reached. */
  readOomKillCount(): number;
  /** Kills every member at once where the hierarchy can. */
  kill(): void;
}

export function writeSetting(folder: string, file: string, value: string | number): void {
  writeFileSync(join(folder, file), `${value}`);
}

/** `undefined` where this kernel or hierarchy has no such file. */
export function readSetting(folder: string, file: string): string | undefined {
  try {
    return readFileSync(join(folder, file), "utf8");
  } catch {
    return undefined;
  }
}

export function readCount(folder: string, file: string): number | undefined {
  const text = readSetting(folder, file)?.trim() ?? "";
  return /^\d+$/.test(text) ? Number(text) : undefined;
}

/** The number after `key` in a file of `key number` lines. */
export function readField(folder: string, file: string, key: string): number | undefined {
  const line = new RegExp(`^${key} (\\d+)$`, "m").exec(readSetting(folder, file) ?? "");
  return line === null ? undefined : Number(line[1]);
}

/** `{ [name]: value }`, or nothing for a value that is not known. */
export function measured(name: keyof Usage, value: number | undefined): Partial<Usage> {
  return value === undefined ? {} : { [name]: value };
}

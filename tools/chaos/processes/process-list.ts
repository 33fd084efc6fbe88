import { readdirSync, readFileSync } from "node:fs";

/** A process as `/proc` shows it. */
export interface ProcessFacts {
  readonly pid: number;
  /** Arguments with blanks between them. */
  readonly commandLine: string;
  /** Empty for another user's. */
  readonly environment: string;
}

/** Processes of which `texts` has a part in their arguments or environment, but this one. */
export function findProcesses(texts: readonly string[]): readonly ProcessFacts[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid)
    .map(readFacts)
    .filter(({ commandLine, environment }) =>
      texts.some((text) => commandLine.includes(text) || environment.includes(text)),
    );
}

/** Resident memory of a process; 0 if it is gone. */
export function readRssBytes(pid: number): number {
  const kib = /^VmRSS:\s+(\d+) kB$/m.exec(readProc(`/proc/${pid}/status`))?.[1];
  return Number(kib ?? 0) * 1024;
}

/** Ends it if it is there. */
export function killQuietly(pid: number, signal: NodeJS.Signals = "SIGKILL"): void {
  try {
    process.kill(pid, signal);
  } catch {
    // It has ended meanwhile, or is another user's, whom it then belongs to.
  }
}

function readFacts(name: string): ProcessFacts {
  const read = (file: string) => readProc(`/proc/${name}/${file}`).replaceAll("\0", " ");
  return { pid: Number(name), commandLine: read("cmdline"), environment: read("environ") };
}

function readProc(path: string): string {
  try {
    return readFileSync(path, "latin1");
  } catch {
    return ""; // Gone, or another user's.
  }
}

import { readFileSync } from "node:fs";

/** Whether the process exists and has not ended: one that only waits to be collected by its parent does not count. */
export function isAlive(pid: number): boolean {
  try {
    return !/\) [ZX] /.test(readFileSync(`/proc/${pid}/stat`, "latin1"));
  } catch {
    return false; // Gone.
  }
}

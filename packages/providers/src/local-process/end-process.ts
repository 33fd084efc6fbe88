import { setTimeout as delay } from "node:timers/promises";
import {
  findByEnvironment,
  isGroupRunning,
  isRunning,
  type ProcessRef,
  signal,
} from "./process-table.ts";

const POLL_MS = 20;
/** How long a killed process may take to go. It takes longer only while the kernel waits for a device. */
const KILL_WAIT_MS = 5_000;

/** How a process ended: at SIGTERM, killed at the end of its grace, not at all, or before it was asked. */
export type Ending = "terminated" | "killed" | "unkillable" | "gone";

/**
 * Ends a process that leads a group, then what is left of the group: SIGTERM to the process, which gets `graceMs` to end
 * what it runs, then SIGKILL to the group.
 */
export async function endProcess(leader: ProcessRef, graceMs: number): Promise<Ending> {
  // The group of a process that ended earlier may be another's by now; a running one proves it is ours.
  if (!(await isRunning(leader))) return "gone";
  signal(leader.pid, "SIGTERM");
  const ended = await waitUntil(async () => !(await isRunning(leader)), graceMs);
  signal(-leader.pid, "SIGKILL");
  const gone = await waitUntil(async () => !(await isGroupRunning(leader.pid)), KILL_WAIT_MS);
  if (!gone) return "unkillable";
  return ended ? "terminated" : "killed";
}

/**
 * Kills every process whose environment has one of the entries; returns whether all are gone. None must be seen twice in
 * a row: while a process becomes another program, its environment looks empty.
 */
export async function killByEnvironment(entries: readonly string[]): Promise<boolean> {
  let emptyLooks = 0;
  return waitUntil(async () => {
    const found = await findByEnvironment(entries);
    // Again each time: those that were killed may have started others meanwhile.
    for (const pid of found) signal(pid, "SIGKILL");
    emptyLooks = found.length === 0 ? emptyLooks + 1 : 0;
    return emptyLooks === 2;
  }, KILL_WAIT_MS);
}

/** Whether `holds` came true within `timeoutMs`. */
async function waitUntil(holds: () => Promise<boolean>, timeoutMs: number): Promise<boolean> {
  const endsAt = performance.now() + timeoutMs;
  while (!(await holds())) {
    if (performance.now() >= endsAt) return false;
    await delay(POLL_MS);
  }
  return true;
}

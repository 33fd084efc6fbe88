import { createHash } from "node:crypto";
import { readdirSync, readFileSync, realpathSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { findProcesses } from "./process-list.ts";

const POLL_MS = 250;

/** Processes of jobs, by the marks of the run, that are still there when none was left for a moment within `limitMs`. */
export async function findLeftProcesses(
  marks: readonly string[],
  limitMs: number,
): Promise<readonly string[]> {
  const endsAtMs = performance.now() + limitMs;
  for (;;) {
    const found = findProcesses(marks);
    if (found.length === 0 || performance.now() > endsAtMs) {
      return found.map(({ pid, commandLine }) => `process ${pid}: ${commandLine}`);
    }
    await delay(POLL_MS);
  }
}

/** What attempts left in the folders of workers that have ended: directories, spools, secret files in memory. */
export function findLeftFiles(stateDirs: readonly string[]): readonly string[] {
  return stateDirs.flatMap((stateDir) => {
    const inState = ["attempts", "spool"].flatMap((name) => listPaths(join(stateDir, name)));
    const id = createHash("sha256").update(realpathSync(stateDir)).digest("hex");
    return [...inState, ...listPaths("/dev/shm").filter((path) => path.includes(`-${id}-`))];
  });
}

/** Control groups of version 1 that workers with these process ids made. Version 2 keeps the one that a worker was in. */
export function findLeftGroups(workerPids: readonly number[]): readonly string[] {
  return ownGroupPaths().flatMap((path) =>
    listPaths(path).filter((found) => {
      const pid = /\/hodei-\d+-(\d+)-\d+-[0-9a-f]+$/.exec(found)?.[1];
      return pid !== undefined && workerPids.includes(Number(pid)) && hasGroupsOrMembers(found);
    }),
  );
}

/** A group that has members, or attempts' groups in it. */
function hasGroupsOrMembers(path: string): boolean {
  const members = readText(join(path, "cgroup.procs")).trim();
  const inner = listPaths(path).filter(
    (found) => readText(join(found, "cgroup.procs")) !== "" || /\/\d+$/.test(found),
  );
  return members !== "" || inner.length > 0;
}

/** Folders of the control groups that this process is in; workers that it starts are in the same. Source: cgroups(7). */
function ownGroupPaths(): readonly string[] {
  const own = new Map(
    readText("/proc/self/cgroup")
      .split("\n")
      .filter(Boolean)
      .map((line) => {
        const [, controllers = "", path = ""] = /^\d+:([^:]*):(.*)$/.exec(line) ?? [];
        return [controllers, path] as const;
      }),
  );
  const mounts = readText("/proc/self/mountinfo")
    .split("\n")
    .flatMap((line) => {
      const [before = "", after = ""] = line.split(" - ");
      const [, , , root = "", point = ""] = before.split(" ");
      const [type, , options = ""] = after.split(" ");
      if (type === "cgroup2") return [{ root, point, controllers: "" }];
      const controllers = [...own.keys()].find(
        (name) => name !== "" && name.split(",").every((part) => options.split(",").includes(part)),
      );
      return type === "cgroup" && controllers !== undefined ? [{ root, point, controllers }] : [];
    });
  return mounts.map(({ root, point, controllers }) => {
    const path = own.get(controllers) ?? "/";
    return join(point, root !== "/" && path.startsWith(root) ? path.slice(root.length) : path);
  });
}

function listPaths(folder: string): readonly string[] {
  try {
    return readdirSync(folder).map((name) => join(folder, name));
  } catch {
    return []; // Not there, so nothing is in it.
  }
}

function readText(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}

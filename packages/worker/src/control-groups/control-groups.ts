import { randomBytes } from "node:crypto";
import { readdirSync, readlinkSync } from "node:fs";
import { basename, join } from "node:path";
import process, { kill } from "node:process";
import { setTimeout as delay } from "node:timers/promises";
import type { Logger } from "pino";
import { errnoOf } from "../errno.ts";
import { readStartTicks } from "../processes/process-table.ts";
import { ControlGroup, makeFolder, readPids, removeFolder } from "./control-group.ts";
import { type GroupFolder, readSetting, writeSetting } from "./group-folder.ts";
import { findHierarchies, type Hierarchy } from "./hierarchies.ts";
import { VERSION_1_CONTROLLERS, version1Folder } from "./version-1.ts";
import { VERSION_2_CONTROLLERS, version2Folder } from "./version-2.ts";

/** Of the group that holds the worker's own, where version 2 needs one. */
const WORKER_NAME = "worker";
/** For members of a dead worker's groups to go; those that are there after this are waiting for a device. */
const KILL_WAIT_MS = 5_000;
const POLL_MS = 25;

/** This worker's place in one hierarchy. */
interface Base {
  readonly hierarchy: Hierarchy;
  /** Its name says whose it is, so that anybody can tell when it has lost its owner. */
  readonly path: string;
  readonly outsidePath: string;
}

/**
 * Makes control groups for attempts, below the group that this worker was started in and so within its limits. Which
 * version is mounted shows only in the adapters. Where this process may not make groups there are none, and attempts have
 * neither limits nor measured usage.
 */
export class ControlGroups {
  readonly #bases: readonly Base[];
  #madeCount = 0;

  private constructor(bases: readonly Base[]) {
    this.#bases = bases;
  }

  /**
   * Ends and removes what dead workers left in groups beside ours, theirs and a predecessor's alike, and makes this
   * worker's own. Says so in the log when no group can be made.
   */
  static async open({ log }: { log: Pick<Logger, "warn"> }): Promise<ControlGroups> {
    const hierarchies = findUseful();
    const ended = await endAbandoned(hierarchies);
    if (ended.groups > 0) log.warn({ event: "worker.abandoned_groups_removed", ...ended });
    const bases = hierarchies.flatMap((hierarchy) => openBase(hierarchy) ?? []);
    const groups = new ControlGroups(bases);
    if (!groups.isUsable) {
      const message =
        "this worker may make no control groups: attempts have no limits of memory or processes, and their usage is not measured";
      log.warn({ event: "worker.no_control_groups", message });
    } else if (!bases.some(limitsMemory)) {
      const message =
        "the control group that this worker was started in hands down no limit of memory, as version 2 does where a group has other processes too: attempts have none, and their usage is not measured. Start the worker in a group of its own, such as a systemd unit with Delegate=yes";
      log.warn({ event: "worker.no_control_groups", message });
    }
    return groups;
  }

  get isUsable(): boolean {
    return this.#bases.length > 0;
  }

  /** A new group without members or limits, or `undefined` where there are none. @throws system errors */
  create(): ControlGroup | undefined {
    if (!this.isUsable) return undefined;
    const name = `${++this.#madeCount}`;
    return new ControlGroup(this.#bases.map((base) => makeGroupFolder(base, name)));
  }

  /** Takes this worker's groups away, as far as they have no members. */
  close(): void {
    for (const { path } of this.#bases) {
      // In version 2 our own process may be in one; whoever comes next removes it.
      for (const name of listFolders(path)) removeFolder(join(path, name));
      removeFolder(path);
    }
  }
}

function findUseful(): readonly Hierarchy[] {
  try {
    return findHierarchies().filter(
      ({ version, controllers }) =>
        version === 2 || VERSION_1_CONTROLLERS.some((name) => controllers.includes(name)),
    );
  } catch (error) {
    // No /proc: not Linux.
    if (errnoOf(error) === "ENOENT") return [];
    throw error;
  }
}

/** `undefined` where we may not. */
function openBase(hierarchy: Hierarchy): Base | undefined {
  const { ownPath, version } = hierarchy;
  const path = join(ownPath, newName());
  try {
    makeFolder(path);
  } catch {
    return undefined;
  }
  const isMoved = version === 2 && handDownControllers(ownPath, path);
  return { hierarchy, path, outsidePath: isMoved ? join(path, WORKER_NAME) : ownPath };
}

/** Whether groups below can have less memory than the machine. */
function limitsMemory({ hierarchy: { version, controllers }, path }: Base): boolean {
  if (version === 1) return controllers.includes("memory");
  return (readSetting(path, "cgroup.subtree_control") ?? "").trim().split(" ").includes("memory");
}

/**
 * Makes the controllers of version 2 count for groups below `path`; whether this process had to move for that, as only
 * groups without members hand them down. It moves only from a group that it has to itself: others are not ours to move.
 */
function handDownControllers(ownPath: string, path: string): boolean {
  let isMoved = false;
  const own = readPids(ownPath);
  if (own.length === 1 && own[0] === process.pid) {
    makeFolder(join(path, WORKER_NAME));
    writeSetting(join(path, WORKER_NAME), "cgroup.procs", process.pid);
    isMoved = true;
  }
  for (const folder of [ownPath, path]) {
    const offered = (readSetting(folder, "cgroup.controllers") ?? "").trim().split(" ");
    for (const name of VERSION_2_CONTROLLERS) {
      if (!offered.includes(name)) continue;
      try {
        writeSetting(folder, "cgroup.subtree_control", `+${name}`);
      } catch {
        // Not handed to us; the groups do without, and can still be killed at once.
      }
    }
  }
  return isMoved;
}

function makeGroupFolder({ hierarchy, path, outsidePath }: Base, name: string): GroupFolder {
  const folder = join(path, name);
  makeFolder(folder);
  return hierarchy.version === 2
    ? version2Folder(folder, outsidePath)
    : version1Folder(folder, outsidePath, hierarchy.controllers);
}

async function endAbandoned(
  hierarchies: readonly Hierarchy[],
): Promise<{ groups: number; processes: number }> {
  const paths = hierarchies.flatMap(({ ownPath }) =>
    listFolders(ownPath)
      .filter(isAbandoned)
      .map((name) => join(ownPath, name)),
  );
  const folders = paths.flatMap((path) => listFolders(path).map((name) => join(path, name)));
  const killed = new Set<number>();
  const endsAt = performance.now() + KILL_WAIT_MS;
  // What is in a dead worker's own group was let go: its spec wants it to live on.
  const ofAttempts = folders.filter((folder) => basename(folder) !== WORKER_NAME);
  for (;;) {
    const pids = new Set(ofAttempts.flatMap(readPids));
    for (const pid of pids) killQuietly(pid);
    for (const pid of pids) killed.add(pid);
    if (pids.size === 0 || performance.now() >= endsAt) break;
    await delay(POLL_MS);
  }
  for (const path of [...folders, ...paths]) removeFolder(path);
  return { groups: paths.length, processes: killed.size };
}

/** `hodei-<process id namespace>-<pid>-<start>-<random>` */
function newName(): string {
  const owner = `${pidNamespace()}-${process.pid}-${readStartTicks(process.pid)}`;
  return `hodei-${owner}-${randomBytes(4).toString("hex")}`;
}

/** Whether the worker that a group's name tells of has ended. What another namespace calls by a number, we cannot tell. */
function isAbandoned(name: string): boolean {
  const [, namespace, pid, ticks] = /^hodei-(\d+)-(\d+)-(\d+)-[0-9a-f]+$/.exec(name) ?? [];
  return namespace === pidNamespace() && readStartTicks(Number(pid)) !== Number(ticks);
}

/** Of a link such as `pid:[4026531836]`. Source: namespaces(7). */
function pidNamespace(): string {
  return /\d+/.exec(readlinkSync("/proc/self/ns/pid"))?.[0] ?? "0";
}

function killQuietly(pid: number): void {
  try {
    kill(pid, "SIGKILL");
  } catch (error) {
    // It has just ended, or is another user's; then it shows as still being there.
    if (!["ESRCH", "EPERM"].includes(errnoOf(error))) throw error;
  }
}

function listFolders(path: string): readonly string[] {
  try {
    const entries = readdirSync(path, { withFileTypes: true });
    return entries.filter((entry) => entry.isDirectory()).map(({ name }) => name);
  } catch {
    return []; // Not there, or not ours to look at.
  }
}

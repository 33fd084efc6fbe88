import { readFileSync } from "node:fs";
import { join, relative } from "node:path";
import { parseMounts } from "../metrics/mount-table.ts";

/** A mounted tree of control groups, and this process's place in it. */
export interface Hierarchy {
  readonly version: 1 | 2;
  /** Of version 1: which controllers it has. In version 2 each group says so itself. */
  readonly controllers: readonly string[];
  /** Folder of the group that this process is in. */
  readonly ownPath: string;
}

/**
 * The hierarchies that are mounted here; version 1, version 2 or, as older systemd does it, both. A group that lies outside
 * of what is mounted, as in a container without a namespace of its own, is taken for the mount's root. `systemRoot` is
 * `/` but in tests. Source: cgroups(7), proc_pid_mountinfo(5).
 */
export function findHierarchies(systemRoot = "/"): readonly Hierarchy[] {
  const mounts = parseMounts(readFileSync(join(systemRoot, "proc/self/mountinfo"), "utf8"));
  const groups = readFileSync(join(systemRoot, "proc/self/cgroup"), "utf8");
  return groups.split("\n").flatMap((line): Hierarchy[] => {
    const [id, names, ...rest] = line.split(":");
    const path = rest.join(":");
    if (names === undefined || path === "") return [];
    const version = id === "0" ? 2 : 1;
    const controllers = names.split(",").filter((name) => name !== "" && !name.includes("="));
    const mount = mounts.find(({ type, options }) =>
      version === 2
        ? type === "cgroup2"
        : type === "cgroup" &&
          controllers.length > 0 &&
          controllers.every((name) => options.includes(name)),
    );
    if (mount === undefined) return [];
    const below = relative(mount.root, path);
    const inside = below.startsWith("..") ? "" : below;
    return [{ version, controllers, ownPath: join(systemRoot, mount.mountPoint, inside) }];
  });
}

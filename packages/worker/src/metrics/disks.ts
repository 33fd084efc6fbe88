import { stat, statfs } from "node:fs/promises";
import type { DiskUsage } from "@hodei/domain";
import { type Mount, readMounts } from "./mount-table.ts";

/** As many as a heartbeat carries; the rest, deepest in the tree, are left out. */
const MAX_DISKS = 64;

/**
 * Every file system on a disk of this machine, once, at its shortest mount point.
 *
 * One after another, so that a disk that does not answer holds one thread of the pool at most. Network file systems are
 * left out for the same reason: their server may be gone for days.
 */
export async function readDisks(): Promise<readonly DiskUsage[]> {
  const mounts = (await readMounts()).filter(isDisk);
  const disks = new Map<string, DiskUsage>();
  for (const { device, mountPoint } of mounts.toSorted(byDepth)) {
    if (disks.size === MAX_DISKS) break;
    if (disks.has(device)) continue;
    const usage = await findUsage(mountPoint);
    if (usage !== undefined) disks.set(device, usage);
  }
  return [...disks.values()];
}

/** Kept on a device of this machine, or on a pool or in layers that are. An image is always full, so that says nothing. */
function isDisk({ source, type }: Mount): boolean {
  if (["squashfs", "iso9660", "erofs"].includes(type)) return false;
  return source.startsWith("/dev/") || type === "overlay" || type === "zfs";
}

const byDepth = (a: Mount, b: Mount): number => a.mountPoint.length - b.mountPoint.length;

/** Containers have single files mounted, such as /etc/hosts: no place for anything. */
async function findUsage(mount: string): Promise<DiskUsage | undefined> {
  try {
    if (!(await stat(mount)).isDirectory()) return undefined;
    const { blocks, bavail, bsize } = await statfs(mount);
    return { mount, totalBytes: blocks * bsize, freeBytes: bavail * bsize };
  } catch {
    // Unmounted meanwhile, or not for this user: nothing that attempts could fill.
    return undefined;
  }
}

import { readFile } from "node:fs/promises";
import { join } from "node:path";

/** One line of `/proc/self/mountinfo`. */
export interface Mount {
  /** `major:minor`, the same for every mount of one file system. */
  readonly device: string;
  /** Which folder of the file system is mounted. */
  readonly root: string;
  readonly mountPoint: string;
  readonly type: string;
  readonly source: string;
  /** Of the file system, not of the mount. */
  readonly options: readonly string[];
}

/** What this process sees mounted. `systemRoot` is `/` but in tests. */
export async function readMounts(systemRoot = "/"): Promise<readonly Mount[]> {
  return parseMounts(await readFile(join(systemRoot, "proc/self/mountinfo"), "utf8"));
}

/**
 * `id parent major:minor root mount-point options [optional…] - type source super-options`. Source: proc_pid_mountinfo(5).
 */
export function parseMounts(text: string): readonly Mount[] {
  return text.split("\n").flatMap((line) => {
    const [mount = "", fileSystem = ""] = line.split(" - ", 2);
    const [, , device, root, mountPoint] = mount.split(" ");
    const [type, source, options] = fileSystem.split(" ");
    if (device === undefined || root === undefined || mountPoint === undefined) return [];
    if (type === undefined || source === undefined || options === undefined) return [];
    return [
      {
        device,
        root: unescapeOctal(root),
        mountPoint: unescapeOctal(mountPoint),
        type,
        source: unescapeOctal(source),
        options: options.split(","),
      },
    ];
  });
}

/** Blanks, tabs, line ends and backslashes stand as octal numbers. */
function unescapeOctal(text: string): string {
  return text.replace(/\\([0-7]{3})/g, (_, octal: string) =>
    String.fromCharCode(Number.parseInt(octal, 8)),
  );
}

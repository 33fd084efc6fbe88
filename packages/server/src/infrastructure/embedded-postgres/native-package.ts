import { readFile } from "node:fs/promises";
import { basename, dirname, join, posix } from "node:path";
import { arch, platform } from "node:process";
import { fileURLToPath } from "node:url";
import { embeddedPostgresError } from "./embedded-postgres-error.ts";

/** PostgreSQL's programs and libraries as the registry package for this platform brings them. */
export interface NativePackage {
  /** Folder with `bin`, `lib` and `share`; may be read-only. */
  readonly folder: string;
  /** Version of the package, such as `18.4.0-beta.17`. */
  readonly version: string;
  /** Version of the data format: data written by another one cannot be opened. */
  readonly majorVersion: number;
  readonly links: readonly LibraryLink[];
}

/**
 * A name under which a library is looked up, such as `lib/libpq.so.5`. Registry packages cannot hold
 * symbolic links, so the package lists them for an install script, which many installs do not run.
 */
export interface LibraryLink {
  /** Path of the link below the native folder. */
  readonly path: string;
  /** File name, in the same folder, that it leads to. */
  readonly target: string;
}

const SUPPORTED_PLATFORMS: ReadonlySet<string> = new Set([
  "darwin-arm64",
  "darwin-x64",
  "linux-arm64",
  "linux-x64",
]);

/**
 * @throws PlatformError `unsupported_platform` if no package exists for this machine, or it is not
 * installed.
 */
export async function findNativePackage(): Promise<NativePackage> {
  const name = `${platform}-${arch}`;
  if (!SUPPORTED_PLATFORMS.has(name)) {
    throw embeddedPostgresError(
      "unsupported_platform",
      `there is no embedded PostgreSQL for ${name}: use your own server with --database-url`,
    );
  }
  const folder = join(dirname(dirname(entryOf(`@embedded-postgres/${name}`))), "native");
  const manifest: unknown = JSON.parse(
    await readFile(join(dirname(folder), "package.json"), "utf8"),
  );
  const version = parseVersion(manifest);
  const links = parseLinks(JSON.parse(await readFile(join(folder, "pg-symlinks.json"), "utf8")));
  return { folder, version, majorVersion: Number.parseInt(version, 10), links };
}

function entryOf(packageName: string): string {
  try {
    return fileURLToPath(import.meta.resolve(packageName));
  } catch (error) {
    throw embeddedPostgresError(
      "unsupported_platform",
      `the package ${packageName} is not installed: install without --omit=optional, or use your own ` +
        "server with --database-url",
      error,
    );
  }
}

function parseVersion(manifest: unknown): string {
  if (typeof manifest === "object" && manifest !== null && "version" in manifest) {
    if (typeof manifest.version === "string" && /^\d+\.[\w.-]+$/.test(manifest.version)) {
      return manifest.version;
    }
  }
  throw brokenPackage("its package.json has no usable version");
}

/** The list is `[{source, target}]`, both relative to the package: `target` is the link to make. */
function parseLinks(list: unknown): LibraryLink[] {
  if (!Array.isArray(list)) throw brokenPackage("its pg-symlinks.json is not a list");
  return list.map((entry: unknown) => {
    const { source, target } = entry as { source?: unknown; target?: unknown };
    if (typeof source !== "string" || typeof target !== "string") {
      throw brokenPackage("its pg-symlinks.json has an entry without source and target");
    }
    const path = posix.relative("native", posix.normalize(target));
    if (path.startsWith("..") || posix.dirname(source) !== posix.dirname(target)) {
      throw brokenPackage(`its pg-symlinks.json leads outside: ${target}`);
    }
    return { path, target: basename(source) };
  });
}

function brokenPackage(why: string): Error {
  return embeddedPostgresError(
    "unsupported_platform",
    `the installed PostgreSQL package is damaged (${why}): install again`,
  );
}

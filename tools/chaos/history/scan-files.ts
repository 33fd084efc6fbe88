import { createReadStream } from "node:fs";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import type { NeedleScan } from "./needle-scan.ts";

/** Looks for secrets in every file below `folder`, but for the data of PostgreSQL, which is looked at by its tables. */
export async function scanFiles(folder: string, scan: NeedleScan): Promise<void> {
  const entries = await readdir(folder, { withFileTypes: true }).catch(() => []);
  for (const entry of entries) {
    const path = join(folder, entry.name);
    if (entry.isDirectory() && entry.name !== "pgdata") await scanFiles(path, scan);
    if (entry.isFile()) await scanFile(path, scan);
  }
}

async function scanFile(path: string, scan: NeedleScan): Promise<void> {
  const look = scan.stream(path);
  try {
    for await (const piece of createReadStream(path)) look(piece as Buffer);
  } catch (error) {
    // Files of running workers come and go.
    if (!(error instanceof Error && "code" in error && error.code === "ENOENT")) throw error;
  }
}

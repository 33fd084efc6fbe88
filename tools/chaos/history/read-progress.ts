import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { type Progress, parseProgress } from "../program/progress.ts";

/** What the jobs themselves noted. */
export async function readProgress(folder: string): Promise<readonly Progress[]> {
  const names = await readdir(folder);
  return Promise.all(
    names.map(async (name) => parseProgress(name, await readFile(join(folder, name), "utf8"))),
  );
}

import process from "node:process";

/** Runs `work` without root's rights, for whom no file is closed. */
export async function withoutRights(work: () => Promise<void>): Promise<void> {
  const isRoot = process.getuid?.() === 0;
  if (isRoot) process.seteuid?.("nobody");
  try {
    await work();
  } finally {
    if (isRoot) process.seteuid?.(0);
  }
}

import { open, rm, stat, utimes } from "node:fs/promises";
import { setTimeout as delay } from "node:timers/promises";
import { SetupError } from "./setup-error.mjs";

const TOUCH_MS = 2_000;
/** A lock that nobody touched for so long belongs to a process that died. */
const STALE_MS = 20_000;
const POLL_MS = 200;
/** How long to wait for another install. Past it, set-up fails: the other one hangs. */
const WAIT_MS = 10 * 60_000;

/**
 * Runs `work` while holding the lock file `path`; waits while another process holds it.
 *
 * The holder touches the file, so a lock left by a crash is taken over after 20 s, also when the process
 * ran in another container or its id is in use again. @throws SetupError when the wait takes 10 minutes.
 */
export async function withInstallLock(path, work) {
  await acquire(path);
  const touch = setInterval(() => {
    const now = new Date();
    // A failed touch only lets a waiting process in early, and npm survives that better than a crash here.
    utimes(path, now, now).catch(() => {});
  }, TOUCH_MS);
  try {
    await work();
  } finally {
    clearInterval(touch);
    await rm(path, { force: true });
  }
}

async function acquire(path) {
  const deadline = Date.now() + WAIT_MS;
  let isAnnounced = false;
  while (!(await tryCreate(path))) {
    if (Date.now() > deadline) {
      throw new SetupError(
        `another install has held ${path} for 10 minutes. End it, or remove that file.`,
      );
    }
    if (!isAnnounced) process.stderr.write("hodei: waiting for another install to finish…\n");
    isAnnounced = true;
    if (await isStale(path)) await rm(path, { force: true });
    else await delay(POLL_MS);
  }
}

async function tryCreate(path) {
  try {
    const file = await open(path, "wx");
    await file.close();
    return true;
  } catch (error) {
    if (error.code === "EEXIST") return false;
    if (error.code === "EACCES" || error.code === "EROFS") {
      throw new SetupError(
        `dependencies must be installed, but ${path} cannot be written (${error.code}). ` +
          "Run this as the owner of the checkout, or in a clone of your own.",
        { cause: error },
      );
    }
    throw error;
  }
}

async function isStale(path) {
  try {
    return Date.now() - (await stat(path)).mtimeMs > STALE_MS;
  } catch (error) {
    if (error.code === "ENOENT") return false;
    throw error;
  }
}

import { readdir, rm } from "node:fs/promises";
import { connect, createServer, type Server } from "node:net";
import { join } from "node:path";
import { pid } from "node:process";
import { setTimeout as delay } from "node:timers/promises";
import { embeddedPostgresError, isSystemError } from "./embedded-postgres-error.ts";

/**
 * The right of this process to run, use and stop one database. Ends with the process at the latest.
 */
export interface Ownership {
  release(): void;
}

const SOCKET_NAME = /^owner\.([1-9]\d{0,5})\.sock$/;

/**
 * Every round ends with somebody owning it, save for processes that collide within microseconds.
 */
const ROUNDS_MAX = 20;
const ROUND_DELAY_MAX_MS = 20;
/** For an owner too busy to say its number: it is alive all the same. */
const ANSWER_TIMEOUT_MS = 500;

/**
 * Claims the database whose sockets are in `folder`, by listening on a socket there: the kernel
 * closes it with the process, so that a crashed owner leaves nothing that looks alive, and a number
 * used again by another process means nothing.
 *
 * A socket's file stays behind after a crash. Taking over its name would be a race, so the next owner
 * takes the next number, and clears the old ones once it is the owner. Listening is not atomic
 * either (bind, then listen), so whoever listens looks again, and gives way to any other that it
 * finds: of two that collide, at most one stays.
 *
 * @throws PlatformError `already_running` while another owner lives, in this process or another.
 */
export async function claimOwnership(folder: string): Promise<Ownership> {
  for (let round = 0; round < ROUNDS_MAX; round++) {
    const taken = await listNumbers(folder);
    await refuseIfOwned(folder, taken);
    const own = (taken.at(-1) ?? 0) + 1;
    const server = await tryListen(socketPath(folder, own));
    if (server !== undefined) {
      if (await isAlone(folder, own)) return { release: () => server.close() };
      server.close();
    }
    await delay(Math.random() * ROUND_DELAY_MAX_MS);
  }
  throw alreadyRunning("several processes at once");
}

const socketPath = (folder: string, number: number): string => join(folder, `owner.${number}.sock`);

async function listNumbers(folder: string): Promise<number[]> {
  const numbers = (await readdir(folder)).map((name) => Number(SOCKET_NAME.exec(name)?.[1]));
  return numbers.filter((number) => !Number.isNaN(number)).sort((a, b) => a - b);
}

async function refuseIfOwned(folder: string, numbers: readonly number[]): Promise<void> {
  for (const number of numbers) {
    const owner = await askOwner(socketPath(folder, number));
    if (owner !== undefined) throw alreadyRunning(owner);
  }
}

/**
 * After listening: whether no other process is about to own it too. Clears what dead owners left.
 */
async function isAlone(folder: string, own: number): Promise<boolean> {
  const others = (await listNumbers(folder)).filter((number) => number !== own);
  if (others.some((number) => number > own)) return false;
  for (const number of others) {
    if ((await askOwner(socketPath(folder, number))) !== undefined) return false;
  }
  await Promise.all(others.map((number) => rm(socketPath(folder, number), { force: true })));
  return true;
}

/** `undefined` if the name is somebody else's already. */
function tryListen(path: string): Promise<Server | undefined> {
  const server = createServer((socket) => {
    // Who asks may be gone before it is answered; that is its own affair.
    socket.on("error", () => socket.destroy());
    socket.end(`process ${pid}`);
  });
  server.unref();
  return new Promise((resolve, reject) => {
    server.once("error", (error) => {
      if (isSystemError(error, "EADDRINUSE")) resolve(undefined);
      else reject(error);
    });
    server.listen(
      {
        path,
        exclusive: true, // in a cluster the primary would listen instead, and outlive us
        readableAll: true, // to be asked by root and by the folder's user, whichever of them we are
        writableAll: true,
      },
      () => resolve(server),
    );
  });
}

/** Who listens at `path`; `undefined` if nobody does. */
function askOwner(path: string): Promise<string | undefined> {
  return new Promise((resolve, reject) => {
    let answer = "";
    const socket = connect(path);
    socket.setTimeout(ANSWER_TIMEOUT_MS, () => socket.destroy());
    socket.on("data", (chunk) => {
      answer += chunk.toString();
    });
    socket.once("error", (error) => {
      if (isSystemError(error, "ECONNREFUSED") || isSystemError(error, "ENOENT")) {
        resolve(undefined);
      } else if (isSystemError(error, "EAGAIN") || isSystemError(error, "ECONNRESET")) {
        resolve("another process");
      } else {
        reject(error);
      }
    });
    socket.once("close", () => resolve(answer || "another process"));
  });
}

function alreadyRunning(owner: string): Error {
  return embeddedPostgresError(
    "already_running",
    `the data folder is in use by ${owner}: use that one, stop it first, or choose another data folder`,
  );
}

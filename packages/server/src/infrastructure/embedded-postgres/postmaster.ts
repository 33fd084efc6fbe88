import { setTimeout as delay } from "node:timers/promises";
import { assertServes, type PostgresConnection } from "./connection.ts";
import type { DataPlace } from "./data-place.ts";
import { embeddedPostgresError, programFailure } from "./embedded-postgres-error.ts";
import { launch } from "./launch.ts";
import type { EmbeddedPostgresLog } from "./log-entry.ts";
import type { LogFile } from "./log-file.ts";
import { isPostgresOf, killOrphans, sendSignal } from "./postgres-process.ts";
import {
  clearStaleFiles,
  findPostmaster,
  readPostmasterFile,
  wasStartedAs,
} from "./postmaster-file.ts";

/** PostgreSQL's main process: a child of ours, or one that a former owner left. */
export interface Postmaster {
  readonly pid: number;
  isAlive(): Promise<boolean>;
}

/** How to run PostgreSQL on one data folder that this process owns. */
export interface PostmasterPlan {
  readonly place: DataPlace;
  readonly program: string;
  readonly args: readonly string[];
  readonly connection: PostgresConnection;
  readonly logFile: LogFile;
  readonly log: EmbeddedPostgresLog;
}

/**
 * Replaying the WAL after a crash is bounded by `max_wal_size` (1 GB), which a slow disk reads in
 * this time.
 */
const START_TIMEOUT_MS = 120_000;
const POLL_INTERVAL_MS = 10;
const RETRY_INTERVAL_MS = 100;

/** What PostgreSQL says while children of a killed one still hold its memory. */
const HAS_ORPHANS = /pre-existing shared memory block/;
/**
 * What it says if a former owner started one in the moment before it died: that one is taken over.
 */
const RUNS_ALREADY = /lock file ".*" already exists/;

/**
 * "Fast" lets transactions abort and writes a checkpoint; "immediate" leaves recovery to the next
 * start.
 */
const STOP_STEPS = [
  { signal: "SIGINT", waitMs: 10_000 },
  { signal: "SIGQUIT", waitMs: 10_000 },
  { signal: "SIGKILL", waitMs: 10_000 },
] as const;

/**
 * A PostgreSQL that is ready for connections: the one already running on the data if it was started
 * as `plan` says, else a new one, after stopping the other. Recovers from a crash.
 *
 * @throws PlatformError `start_failed` or `disk_full` with the last lines of PostgreSQL's log;
 * the reason of `signal` if that aborts. Nothing is left running then.
 */
export async function runPostmaster(
  plan: PostmasterPlan,
  signal: AbortSignal,
): Promise<Postmaster> {
  const endsAtMs = performance.now() + START_TIMEOUT_MS;
  const isOver = () => signal.aborted || performance.now() >= endsAtMs;
  for (;;) {
    const adopted = await adoptPostmaster(plan, isOver);
    if (adopted !== undefined) return adopted;
    await clearStaleFiles(plan.place);
    const offset = await plan.logFile.sizeBytes();
    const postmaster = await launchPostmaster(plan);
    if (await waitUntilReady(postmaster, plan.place.pgdata, isOver)) {
      await assertServesOrStop(plan, postmaster);
      tell(plan, "postgres_started", `PostgreSQL runs on ${plan.place.pgdata}`, postmaster);
      return postmaster;
    }
    await stopPostmaster(postmaster, plan.log);
    signal.throwIfAborted();
    const tail = await plan.logFile.readTail(offset);
    if (isOver()) {
      throw programFailure(`PostgreSQL was not ready within ${START_TIMEOUT_MS / 1000} s`, tail);
    }
    if (HAS_ORPHANS.test(tail)) await killOrphans(plan.place.pgdata);
    else if (!RUNS_ALREADY.test(tail)) throw programFailure("PostgreSQL did not start", tail);
    await delay(RETRY_INTERVAL_MS);
  }
}

/**
 * Stops it, the gentle way first. Resolves once it is gone, at once if it is gone already.
 * @throws PlatformError `stop_failed`.
 */
export async function stopPostmaster(
  postmaster: Postmaster,
  log: EmbeddedPostgresLog,
): Promise<void> {
  for (const { signal, waitMs } of STOP_STEPS) {
    if (!(await postmaster.isAlive())) return;
    sendSignal(postmaster.pid, signal);
    if (await waitForExit(postmaster, waitMs)) return;
    log({
      event: "postgres_stop_escalated",
      message: `PostgreSQL did not end within ${waitMs / 1000} s of ${signal}`,
      pid: postmaster.pid,
    });
  }
  throw embeddedPostgresError(
    "stop_failed",
    `PostgreSQL (process ${postmaster.pid}) did not end even when it was killed: it may hang on its disk`,
  );
}

/** The running one, if it can be taken over. One that cannot is stopped. */
async function adoptPostmaster(
  plan: PostmasterPlan,
  isOver: () => boolean,
): Promise<Postmaster | undefined> {
  const { pgdata } = plan.place;
  const pid = await findPostmaster(pgdata);
  if (pid === undefined) return undefined;
  const postmaster: Postmaster = { pid, isAlive: () => isPostgresOf(pid, pgdata) };
  const refusal = await whyNotAdopt(plan, postmaster, isOver);
  if (refusal === undefined) {
    tell(plan, "postgres_adopted", `took over the PostgreSQL that runs on ${pgdata}`, postmaster);
    return postmaster;
  }
  tell(plan, "postgres_replaced", `stopping the PostgreSQL on ${pgdata}: ${refusal}`, postmaster);
  await stopPostmaster(postmaster, plan.log);
  return undefined;
}

async function whyNotAdopt(
  { place, program, args, connection }: PostmasterPlan,
  postmaster: Postmaster,
  isOver: () => boolean,
): Promise<string | undefined> {
  if (!(await wasStartedAs(place.pgdata, program, args))) {
    return "it has another version or other settings";
  }
  if ((await readPostmasterFile(place.pgdata))?.status === "stopping")
    return "it was being stopped";
  if (!(await waitUntilReady(postmaster, place.pgdata, isOver))) return "it does not become ready";
  try {
    await assertServes(connection, place.pgdata);
    return undefined;
  } catch (error) {
    return `it cannot be used (${error instanceof Error ? error.message : String(error)})`;
  }
}

async function launchPostmaster({
  place,
  program,
  args,
  logFile,
}: PostmasterPlan): Promise<Postmaster> {
  const output = await logFile.openForAppend();
  try {
    const child = await launch(program, args, { runAs: place.runAs, output: output.fd });
    child.unref(); // it outlives us, to be taken over by the next owner
    const { pid } = child;
    if (pid === undefined) throw new Error("invariant broken: a child that was spawned has a pid");
    return { pid, isAlive: async () => child.exitCode === null && child.signalCode === null };
  } finally {
    await output.close();
  }
}

/** False once it has ended, or `isOver`. */
async function waitUntilReady(
  postmaster: Postmaster,
  pgdata: string,
  isOver: () => boolean,
): Promise<boolean> {
  while (!isOver() && (await postmaster.isAlive())) {
    const file = await readPostmasterFile(pgdata);
    if (file?.pid === postmaster.pid && file.status === "ready") return true;
    await delay(POLL_INTERVAL_MS);
  }
  return false;
}

async function assertServesOrStop(plan: PostmasterPlan, postmaster: Postmaster): Promise<void> {
  try {
    await assertServes(plan.connection, plan.place.pgdata);
  } catch (error) {
    await stopPostmaster(postmaster, plan.log);
    const said = error instanceof Error ? error.message : String(error);
    throw embeddedPostgresError(
      "start_failed",
      `PostgreSQL started on ${plan.place.pgdata} but cannot be used (${said}): bring back the password file ` +
        "beside it, or choose another data folder",
      error,
    );
  }
}

async function waitForExit(postmaster: Postmaster, waitMs: number): Promise<boolean> {
  const limit = AbortSignal.timeout(waitMs);
  while (await postmaster.isAlive()) {
    if (limit.aborted) return false;
    await delay(POLL_INTERVAL_MS);
  }
  return true;
}

function tell(plan: PostmasterPlan, event: string, message: string, { pid }: Postmaster): void {
  plan.log({ event, message, pid });
}

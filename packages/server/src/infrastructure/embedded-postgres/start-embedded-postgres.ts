import { createCluster, hasCluster } from "./cluster.ts";
import { connectionTo, type PostgresConnection, toDatabaseUrl } from "./connection.ts";
import { type DataPlace, preparePlace } from "./data-place.ts";
import { fromFileError } from "./embedded-postgres-error.ts";
import type { EmbeddedPostgresLog } from "./log-entry.ts";
import { LOG_CHECK_INTERVAL_MS, logFileIn } from "./log-file.ts";
import { findNativePackage, type NativePackage } from "./native-package.ts";
import { claimOwnership, type Ownership } from "./ownership.ts";
import { ensurePassword, passwordFileIn, readPassword } from "./password.ts";
import { type PostmasterPlan, runPostmaster } from "./postmaster.ts";
import { prepareRuntime, type Runtime, removeOldRuntimes } from "./runtime.ts";
import { isDurable, type PostgresSettings, postmasterArguments } from "./settings.ts";
import { Supervisor } from "./supervisor.ts";

export interface EmbeddedPostgresOptions {
  /** Made if it is not there. One database per folder, one owner at a time. */
  readonly dataDir: string;
  /** Default: nothing is told. */
  readonly log?: EmbeddedPostgresLog;
  /** Over the durable defaults of `settings.ts`; `fsync: "off"` for throw-away data only. */
  readonly settings?: PostgresSettings;
}

/** A PostgreSQL that is ready for connections, and restarted should it die, until `stop`. */
export interface EmbeddedPostgres {
  /** Of the superuser, over a Unix socket that only this user (and root) can reach. */
  readonly connection: PostgresConnection;
  /** `connection` as a URL. It carries the password: not for logs. */
  readonly databaseUrl: string;
  /** Of PostgreSQL's main process; another one after a restart. */
  readonly pid: number;
  /**
   * Ends PostgreSQL: fast shutdown, after 10 s immediate, then kill. Idempotent.
   * @throws PlatformError `stop_failed` if even that does not end it.
   */
  stop(): Promise<void>;
}

/**
 * Starts PostgreSQL on `dataDir`, making the database the first time (about a second; later starts
 * take a fraction of one).
 *
 * When this process dies without `stop`, PostgreSQL lives on, so that a crashed server comes back in
 * an instant: the next start on the folder takes it over. Only one process at a time owns a folder.
 *
 * @throws PlatformError `already_running`, `data_dir_not_writable`, `data_version_mismatch`,
 * `disk_full`, `start_failed`, `unsupported_platform`; the message says what to do.
 */
export async function startEmbeddedPostgres(
  options: EmbeddedPostgresOptions,
): Promise<EmbeddedPostgres> {
  const { dataDir, log = () => undefined, settings = {} } = options;
  try {
    const native = await findNativePackage();
    const place = await preparePlace(dataDir, log);
    const ownership = await claimOwnership(place.socketFolder);
    try {
      return await startOwned({ native, place, ownership, log, settings });
    } catch (error) {
      ownership.release();
      throw error;
    }
  } catch (error) {
    throw fromFileError(error, dataDir);
  }
}

interface OwnedData {
  readonly native: NativePackage;
  readonly place: DataPlace;
  readonly ownership: Ownership;
  readonly log: EmbeddedPostgresLog;
  readonly settings: PostgresSettings;
}

async function startOwned(data: OwnedData): Promise<EmbeddedPostgres> {
  const { native, place, ownership, log, settings } = data;
  const isNew = !(await hasCluster(place.pgdata, native.majorVersion));
  const runtime = await prepareRuntime(native, place, log);
  const password = isNew ? await initialise(data, runtime) : await readPassword(place);
  const connection = connectionTo(place.socketFolder, password);
  const logFile = logFileIn(place.home, place.runAs);
  const args = postmasterArguments({ ...place, version: native.version, settings });
  const plan = { place, program: runtime.postgres, args, connection, logFile, log };
  await logFile.rotateIfLarge();
  const postmaster = await runPostmaster(plan, new AbortController().signal);
  await removeOldRuntimes(place.home, runtime);
  return supervised(plan, new Supervisor(plan, postmaster), ownership);
}

async function initialise(data: OwnedData, { initdb }: Runtime): Promise<string> {
  const { place, settings, log } = data;
  const password = await ensurePassword(place);
  const passwordFile = passwordFileIn(place.home);
  await createCluster(place, { initdb, passwordFile, durable: isDurable(settings) });
  log({
    event: "postgres_initialised",
    message: `made an empty database in ${place.pgdata}`,
    pgdata: place.pgdata,
  });
  return password;
}

function supervised(
  plan: PostmasterPlan,
  supervisor: Supervisor,
  ownership: Ownership,
): EmbeddedPostgres {
  const rotation = setInterval(() => void rotate(plan), LOG_CHECK_INTERVAL_MS).unref();
  return {
    connection: plan.connection,
    databaseUrl: toDatabaseUrl(plan.connection),
    get pid() {
      return supervisor.pid;
    },
    async stop() {
      clearInterval(rotation);
      await supervisor.stop();
      ownership.release();
    },
  };
}

async function rotate({ logFile, log }: PostmasterPlan): Promise<void> {
  try {
    await logFile.rotateIfLarge();
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    log({ event: "postgres_log_rotation_failed", message });
  }
}

import { statfs } from "node:fs/promises";
import { HealthCheckResponse_ServingStatus as ServingStatus } from "@hodei/proto/grpc/health/v1/health";
import { WorkerState } from "@hodei/proto/hodei/v1/worker";
import type { CommandContext, Connection, ConnectionFlags } from "./context.ts";
import { findEndpoint } from "./endpoint.ts";
import { CommandError } from "./errors.ts";
import { dataFolder, prepareDataFolder } from "./local-stack/data-folder.ts";
import { formatDuration } from "./values/duration.ts";
import { formatSize } from "./values/size.ts";
import { readVersion } from "./version.ts";

/** What one check found. `next` says what to do unless all is well. */
export interface Finding {
  readonly check: string;
  readonly level: "ok" | "warn" | "fail";
  readonly message: string;
  readonly next?: string;
}

/** Oldest Node.js that is tested; older ones do not start this program at all. */
const NODE_MAJOR_TESTED = 24;
/** A local stack with less free disk will soon stand still. */
const FREE_DISK_WARN_BYTES = 2 * 1024 ** 3;
const FREE_DISK_FAIL_BYTES = 200 * 1024 ** 2;
/** Clocks further apart make instants of logs, schedules and certificates hard to believe. */
const CLOCK_WARN_MS = 5_000;
/** Header in which a server tells its version. */
const VERSION_HEADER = "hodei-version";

/** Checks this machine, then the server; what cannot be checked because of an earlier failure is left out. */
export async function* examine(
  flags: ConnectionFlags,
  context: CommandContext,
): AsyncGenerator<Finding> {
  yield checkNode();
  const endpoint = await orFinding("server", () => findEndpoint(flags, context.env, context.cwd));
  if ("finding" in endpoint) {
    yield endpoint.finding;
    return;
  }
  // Without one the local stack is used, and only that has this folder.
  if (endpoint.value === undefined) yield await checkDataFolder(context);
  const connection = await orFinding("server", () => context.connect(flags));
  if ("finding" in connection) {
    yield connection.finding;
    return;
  }
  const { value } = connection;
  try {
    yield* examineServer(value, context);
  } finally {
    value.client.close();
  }
}

function checkNode(): Finding {
  const version = process.versions.node;
  const isTested = Number(version.split(".")[0]) >= NODE_MAJOR_TESTED;
  if (isTested) return { check: "node", level: "ok", message: version };
  const next = `use Node.js ${NODE_MAJOR_TESTED}, with which Hodei is tested`;
  return { check: "node", level: "warn", message: version, next };
}

async function checkDataFolder(context: CommandContext): Promise<Finding> {
  const check = "data folder";
  const folder = dataFolder(context.env, context.cwd);
  const prepared = await orFinding(check, () => prepareDataFolder(folder));
  if ("finding" in prepared) return prepared.finding;
  const { bavail, bsize } = await statfs(folder);
  const freeBytes = bavail * bsize;
  const message = `${folder}, ${formatSize(freeBytes)} free`;
  if (freeBytes >= FREE_DISK_WARN_BYTES) return { check, level: "ok", message };
  const level = freeBytes < FREE_DISK_FAIL_BYTES ? "fail" : "warn";
  return {
    check,
    level,
    message,
    next: "free disk space, or choose another folder with HODEI_DATA_DIR",
  };
}

async function* examineServer(
  { client, endpoint, isLocal, version }: Connection,
  context: CommandContext,
): AsyncGenerator<Finding> {
  const headers = Promise.withResolvers<Headers>();
  const health = await orFinding("server", () =>
    client.health.check({}, { onHeader: headers.resolve }),
  );
  if ("finding" in health) {
    yield health.finding;
    return;
  }
  yield checkHealth(health.value.status, `${endpoint}${isLocal ? " (local stack)" : ""}`);
  yield checkVersion(version ?? (await headers.promise).get(VERSION_HEADER), isLocal);
  yield checkClock((await headers.promise).get("date"), context.now());
  const { findings, isUsable } = await checkDatabase(client);
  yield* findings;
  if (!isUsable) return;
  yield await checkWorkers(client, isLocal);
  yield await checkDeliveries(client);
}

function checkHealth(status: number, where: string): Finding {
  const check = "server";
  if (status === ServingStatus.SERVING) return { check, level: "ok", message: where };
  const message = `${where} says that it does not serve: it is starting or stopping`;
  return { check, level: "warn", message, next: "see the server's log" };
}

/** By a call that reads jobs: whether the token is accepted, and whether the database answers. */
async function checkDatabase(
  client: Connection["client"],
): Promise<{ readonly findings: readonly Finding[]; readonly isUsable: boolean }> {
  try {
    await client.jobs.listJobs({ pageSize: 1 });
  } catch (error) {
    const isToken = ["unauthenticated", "permission_denied"].includes(codeOf(error));
    const next = "see the server's log; it serves again by itself when the database is back";
    const finding = isToken ? toFinding("token", error) : toFinding("database", error, next);
    return { findings: [finding], isUsable: false };
  }
  const findings: Finding[] = [
    { check: "token", level: "ok", message: "accepted" },
    { check: "database", level: "ok", message: "answers a query for jobs" },
  ];
  return { findings, isUsable: true };
}

function checkVersion(serverVersion: string | null, isLocal: boolean): Finding {
  const check = "version";
  const version = readVersion();
  if (serverVersion === version) return { check, level: "ok", message: version };
  const message = `this command has ${version}, the server ${serverVersion ?? "does not tell its own"}`;
  const next = isLocal ? "restart it with: hodei down" : "use the same version on both sides";
  return { check, level: "warn", message, next };
}

function checkClock(serverDate: string | null, now: Date): Finding {
  const check = "clock";
  const serverMs = Date.parse(serverDate ?? "");
  if (Number.isNaN(serverMs)) {
    return {
      check,
      level: "warn",
      message: "the server does not tell its time",
      next: "compare the clocks",
    };
  }
  // The header has whole seconds, so up to one of them is no difference.
  const apartMs = Math.max(0, Math.abs(now.getTime() - serverMs) - 1_000);
  if (apartMs < CLOCK_WARN_MS) return { check, level: "ok", message: "as the server's" };
  const message = `${formatDuration(apartMs)} apart from the server's`;
  return { check, level: "warn", message, next: "let both machines keep their time by NTP" };
}

async function checkDeliveries(client: Connection["client"]): Promise<Finding> {
  const check = "deliveries";
  const found = await orFinding(check, () => client.events.listDeadLetters({ pageSize: 1000 }));
  if ("finding" in found) return found.finding;
  const { deadLetters, nextPageToken } = found.value;
  if (deadLetters.length === 0) return { check, level: "ok", message: "no dead letters" };
  const count = `${nextPageToken === "" ? "" : "more than "}${deadLetters.length}`;
  const next = "see why with: hodei events dead-letters list";
  return { check, level: "warn", message: `${count} events could not be delivered`, next };
}

async function checkWorkers(client: Connection["client"], isLocal: boolean): Promise<Finding> {
  const check = "workers";
  // The busy ones are among them.
  const states = [WorkerState.READY];
  const found = await orFinding(check, () =>
    client.workers.listWorkers({ states, pageSize: 1000 }),
  );
  if ("finding" in found) return found.finding;
  const { workers, nextPageToken } = found.value;
  const count = `${nextPageToken === "" ? "" : "more than "}${workers.length}`;
  if (workers.length > 0) return { check, level: "ok", message: `${count} ready or busy` };
  const next = isLocal
    ? "one starts with the first job"
    : "let one join with the token of: hodei workers create-join-token";
  return { check, level: "warn", message: "none is ready", next };
}

/** The value, or the failure as a finding. */
async function orFinding<Value>(
  check: string,
  action: () => Promise<Value>,
): Promise<{ readonly value: Value } | { readonly finding: Finding }> {
  try {
    return { value: await action() };
  } catch (error) {
    return { finding: toFinding(check, error) };
  }
}

/** `advice` wins over that of the error. Anything but a failure that is expected is thrown again. */
function toFinding(check: string, error: unknown, advice?: string): Finding {
  const isExpected =
    error instanceof CommandError || (error instanceof Error && error.name === "HodeiError");
  if (!isExpected) throw error;
  const { message } = error;
  const next = advice ?? (error as CommandError).next;
  return { check, level: "fail", message, ...(next === undefined ? {} : { next }) };
}

const codeOf = (error: unknown): string => (error as { readonly code?: string }).code ?? "";

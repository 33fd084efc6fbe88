import { availableParallelism, totalmem } from "node:os";
import { resolve } from "node:path";
import { constrainedMemory } from "node:process";
import {
  DEFAULT_PLACEMENT_POLICY,
  PLACEMENT_POLICIES,
  type PlacementPolicy,
  PlatformError,
  type TenantId,
} from "@hodei/domain";
import { z } from "zod";

const PREFIX = "HODEI_SERVER_";

const PLACEMENT_POLICY_NAMES = Object.keys(PLACEMENT_POLICIES) as PlacementPolicy[];

const DAY_MS = 86_400_000;
const RETENTION_DAYS_MAX = 36_500;
const TIB = 1024 ** 4;

const port = z.coerce.number().int().min(0).max(65_535);
/** Tenants further apart than that are better served by a limit. */
const TENANT_WEIGHT_MIN = 0.001;
const TENANT_WEIGHT_MAX = 1_000;
const milliseconds = z.coerce.number().int().min(1);

/** Every setting of a server: unit, default, meaning. Environment names are `HODEI_SERVER_` and the key in capitals. */
export const schema = z.strictObject({
  /** Folder for all that is kept outside of the database: CA, API token, embedded PostgreSQL. */
  dataDir: z.string().min(1),
  /** `postgres://…` of a PostgreSQL ≥ 14; without it the embedded one runs. */
  databaseUrl: z.string().optional(),
  /** Address of the public listener. */
  publicHost: z.string().default("127.0.0.1"),
  /** 0: a free one, the same after a restart if it is still free. */
  publicPort: port.default(7400),
  /** Certificate chain and key, PEM; without them the public listener speaks plaintext HTTP. */
  publicCertFile: z.string().optional(),
  publicKeyFile: z.string().optional(),
  /** Address of the worker listener (mTLS). */
  workerHost: z.string().default("127.0.0.1"),
  /** 0: as for `publicPort`. */
  workerPort: port.default(7401),
  /** Further host names and addresses, separated by commas, under which workers reach this server. */
  workerHostnames: z.string().default("").transform(toNames),
  /** File with the API token; made on first start if it does not exist. Default: `api-token` in `dataDir`. */
  apiTokenFile: z.string().optional(),
  /** Folder of the CA; replicas share one. Default: `ca` in `dataDir`. */
  caDir: z.string().optional(),
  /**
   * File with the master key of secrets, mode 0600; made on first start if it does not exist. Replicas share one.
   * Default: `secret-key` in `dataDir`.
   */
  secretKeyFile: z.string().optional(),
  /** Assigned and running jobs of one tenant, at most; others wait. Default: any number. */
  tenantJobsMax: z.coerce.number().int().min(1).optional(),
  /**
   * How much of the workers tenants are to have, against each other, when there is not enough for all: `name=weight` with
   * commas, 0.001 to 1000. Default: each has 1.
   */
  tenantWeights: z.string().default("").transform(toTenantWeights),
  /** Jobs of one tenant that wait for their first start, at most; further ones are refused. Default: any number. */
  tenantQueueMax: z.coerce.number().int().min(1).optional(),
  /** The same for all tenants together. */
  queueMax: z.coerce.number().int().min(1).optional(),
  /** Workers of the local-process pool: at least, at most. 0 and 0: no such pool. */
  localWorkersMin: z.coerce.number().int().min(0).max(100).default(0),
  localWorkersMax: z.coerce.number().int().min(0).max(100).default(0),
  /** Local workers without attempts to keep ready, within `localWorkersMax`. */
  localWorkersWarm: z.coerce.number().int().min(0).max(100).default(0),
  /** A local worker beyond the minimum and the warm ones leaves when it had nothing to do for so long. Default: it stays. */
  localWorkerIdleMs: milliseconds.optional(),
  /** A local worker leaves at this age, when its attempts have ended. Default: it stays. */
  localWorkerLifetimeMs: milliseconds.optional(),
  /** A local worker takes one job and leaves. */
  localWorkerOneJob: z.stringbool().or(z.boolean()).default(false),
  /** Local workers started within any minute, at most. */
  localWorkerStartsPerMinute: z.coerce.number().int().min(1).max(1000).default(60),
  /** Lets local workers run jobs as root, when that is who runs the server. */
  localWorkersAllowRoot: z.stringbool().or(z.boolean()).default(false),
  /** What each local worker can hold. Default: this machine, shared out among `localWorkersMax`. */
  localWorkerCpuMillis: z.coerce.number().int().min(1).optional(),
  localWorkerMemoryBytes: z.coerce.number().int().min(1).optional(),
  /** Log of an attempt on a local worker whose spec names no limit. Default: the worker's, 1 GiB. */
  localWorkerLogAttemptBytes: z.coerce.number().int().min(1).optional(),
  /** When local workers send a batch of log: segments, time and bytes, whichever comes first. Default: the worker's. */
  localWorkerLogBatchEntries: z.coerce.number().int().min(1).max(1000).optional(),
  localWorkerLogBatchIntervalMs: z.coerce.number().int().min(0).max(60_000).optional(),
  localWorkerLogBatchBytes: z.coerce.number().int().min(1).max(1_048_576).optional(),
  /** How to choose among workers for jobs whose spec does not say. */
  placementPolicy: z.enum(PLACEMENT_POLICY_NAMES).default(DEFAULT_PLACEMENT_POLICY),
  /** The same among the workers of single pools: `name=policy` with commas. Default: as the server is set. */
  poolPolicies: z.string().default("").transform(toPoolPolicies),
  /** Stops by itself after so long without unfinished jobs and without requests. Default: never. */
  idleExitMs: milliseconds.optional(),
  /** Ends local workers with the server; else they outlive it and come back to the next one. */
  stopWorkersOnExit: z.stringbool().or(z.boolean()).default(false),
  /** How long the log of an attempt is kept after the attempt's end, at least; whole days go at once. Default: 30 days. */
  logRetentionMs: milliseconds.max(36_500 * DAY_MS).default(30 * DAY_MS),
  /**
   * Bytes of logs that one tenant may store on one day (UTC), compressed as they are; what is beyond is left out of the
   * logs, which say so. Default: 1 TiB.
   */
  tenantLogBytesPerDay: z.coerce.number().int().min(0).default(TIB),
  /** How long a job is kept after its end, with its attempts, at least; whole days go at once, after 31 days whole months, after 366 whole years. Default: 30 days. */
  jobRetentionMs: milliseconds.max(36_500 * DAY_MS).default(30 * DAY_MS),
  /** The longest that a job's own spec may ask for. Default: 366 days. */
  jobRetentionMaxMs: milliseconds.max(36_500 * DAY_MS).default(366 * DAY_MS),
  /** How long jobs of single tenants are kept instead, and the longest that their specs may ask for: `name=days` or `name=days/days` with commas. */
  tenantJobRetentions: z.string().default("").transform(toTenantRetentions),
  /** The same of jobs whose last attempt was on a worker of the pool: `name=days` with commas. */
  poolJobRetentions: z.string().default("").transform(toPoolRetentions),
  /** How long an event is kept, at least; whole days go at once. Default: 30 days. */
  eventRetentionMs: milliseconds.max(36_500 * DAY_MS).default(30 * DAY_MS),
  /** Where every event goes as JSON, by POST; it must be trusted with the events of all tenants. Default: nowhere. */
  webhookUrl: z
    .url({ protocol: /^https?$/ })
    .refine(
      (text) => !URL.canParse(text) || new URL(text).username === "",
      "must not hold a user name",
    )
    .optional(),
  /** File with the key, 16 characters or more, that signs what goes to `webhookUrl`. Default: it is not signed. */
  webhookKeyFile: z.string().optional(),
  /** Types of events, separated by commas, that go to `webhookUrl`. Default: every one. */
  webhookTypes: z.string().default("").transform(toNames),
  /** How often a worker reports. */
  workerHeartbeatMs: milliseconds.min(100).max(60_000).default(5_000),
  /** A worker's session that was silent for this long is closed. More than a heartbeat. */
  workerSilenceMs: milliseconds.default(10_000),
  /** How long a worker may be without a session before it is lost and its attempts go elsewhere. */
  workerGraceMs: milliseconds.min(100).default(5_000),
  /** How long a start waits for the database. */
  databaseWaitMs: milliseconds.default(60_000),
  logLevel: z.enum(["debug", "info", "warn", "error", "silent"]).default("info"),
});

function toNames(text: string): readonly string[] {
  const names = text.split(",").map((name) => name.trim());
  return names.filter((name) => name !== "");
}

function toPoolPolicies(
  text: string,
  context: z.RefinementCtx<string>,
): ReadonlyMap<string, PlacementPolicy> {
  const policies = new Map<string, PlacementPolicy>();
  for (const entry of text.split(",").filter((part) => part !== "")) {
    const [, name = "", word = ""] = /^([^=]+)=([^=]+)$/.exec(entry.trim()) ?? [];
    const policy = PLACEMENT_POLICY_NAMES.find((known) => known === word);
    if (policy === undefined) {
      const known = PLACEMENT_POLICY_NAMES.join(", ");
      context.addIssue(`"${entry}" must look like name=policy, with a policy of ${known}`);
    } else if (policies.has(name)) {
      context.addIssue(`"${name}" has two policies`);
    } else {
      policies.set(name, policy);
    }
  }
  return policies;
}

/** Of one tenant. */
interface TenantRetention {
  readonly ms: number;
  /** `null`: as for others. */
  readonly maxMs: number | null;
}

function toTenantRetentions(
  text: string,
  context: z.RefinementCtx<string>,
): ReadonlyMap<TenantId, TenantRetention> {
  const parsed = parseRetentions(text, context, "name=days or name=days/days");
  return new Map([...parsed].map(([name, retention]) => [name as TenantId, retention]));
}

function toPoolRetentions(
  text: string,
  context: z.RefinementCtx<string>,
): ReadonlyMap<string, number> {
  const parsed = parseRetentions(text, context, "name=days");
  for (const [name, { maxMs }] of parsed) {
    if (maxMs !== null) context.addIssue(`"${name}" must look like name=days`);
  }
  return new Map([...parsed].map(([name, { ms }]) => [name, ms]));
}

function parseRetentions(
  text: string,
  context: z.RefinementCtx<string>,
  form: string,
): ReadonlyMap<string, TenantRetention> {
  const retentions = new Map<string, TenantRetention>();
  for (const entry of text.split(",").filter((part) => part !== "")) {
    const [, name = "", days = "", max] =
      /^([^=]+)=(\d{1,5})(?:\/(\d{1,5}))?$/.exec(entry.trim()) ?? [];
    const counts = [days, ...(max === undefined ? [] : [max])].map(Number);
    if (name === "" || counts.some((count) => count < 1 || count > RETENTION_DAYS_MAX)) {
      context.addIssue(`"${entry}" must look like ${form}, of 1 to ${RETENTION_DAYS_MAX} days`);
    } else if (retentions.has(name)) {
      context.addIssue(`"${name}" has two retentions`);
    }
    const maxMs = max === undefined ? null : Number(max) * DAY_MS;
    retentions.set(name, { ms: Number(days) * DAY_MS, maxMs });
  }
  return retentions;
}

function toTenantWeights(
  text: string,
  context: z.RefinementCtx<string>,
): ReadonlyMap<TenantId, number> {
  const weights = new Map<TenantId, number>();
  for (const entry of text.split(",").filter((part) => part !== "")) {
    const [, name = "", digits = ""] = /^([^=]+)=(\d+(?:\.\d+)?)$/.exec(entry.trim()) ?? [];
    const weight = Number(digits);
    if (name === "" || weight < TENANT_WEIGHT_MIN || weight > TENANT_WEIGHT_MAX) {
      const range = `${TENANT_WEIGHT_MIN} to ${TENANT_WEIGHT_MAX}`;
      context.addIssue(`"${entry}" must look like name=weight, with a weight of ${range}`);
    } else if (weights.has(name as TenantId)) {
      context.addIssue(`"${name}" has two weights`);
    }
    weights.set(name as TenantId, weight);
  }
  return weights;
}

export type ServerConfig = z.output<typeof schema>;
export type ServerOptions = z.input<typeof schema>;

/**
 * Settings from `options`, then from the environment; what is given in `options` wins.
 * @throws PlatformError `invalid_argument` naming every unknown or wrong setting
 */
export function readServerConfig(
  options: Partial<ServerOptions>,
  environment: Readonly<Record<string, string | undefined>>,
): ServerConfig {
  const given: Record<string, unknown> = Object.fromEntries(
    Object.entries(options).filter(([, value]) => value !== undefined),
  );
  const { values, unknown } = fromEnvironment(environment);
  const settings: Record<string, unknown> = { ...values, ...given };
  const blank = new Set(Object.keys(settings).filter((key) => isBlank(key, settings[key])));
  const result = schema.safeParse(settings);
  const problems = [
    ...unknown.map(unknownSetting),
    ...[...blank].map((key) => `${key}: is empty; give it a value, or leave it out`),
    ...findProblems(result, blank),
  ];
  if (!result.success || problems.length > 0) {
    throw new PlatformError("invalid_argument", "invalid_config", problems.join("; "));
  }
  return { ...result.data, dataDir: resolve(result.data.dataDir) };
}

/** `publicKeyFile` → `HODEI_SERVER_PUBLIC_KEY_FILE`, and back. */
const ENV_NAMES: ReadonlyMap<string, string> = new Map(
  Object.keys(schema.shape).map((key) => [
    PREFIX + key.replace(/[A-Z]/g, (letter) => `_${letter}`).toUpperCase(),
    key,
  ]),
);

function fromEnvironment(environment: Readonly<Record<string, string | undefined>>) {
  const entries = Object.entries(environment).filter(([name]) => name.startsWith(PREFIX));
  const values: Record<string, string | undefined> = {};
  const unknown: string[] = [];
  for (const [name, value] of entries) {
    const key = ENV_NAMES.get(name);
    if (key === undefined) unknown.push(name);
    else values[key] = value;
  }
  return { values, unknown };
}

function unknownSetting(name: string): string {
  return `${name}: no such setting; there are ${[...ENV_NAMES.keys()].join(", ")}`;
}

/** Settings that are lists, and may be empty. */
const LISTS: ReadonlySet<string> = new Set([
  "workerHostnames",
  "tenantWeights",
  "poolPolicies",
  "tenantJobRetentions",
  "poolJobRetentions",
  "webhookTypes",
]);

/** Nothing, as a variable that another program left empty, would be read as 0, as every address or as this folder. */
function isBlank(key: string, value: unknown): boolean {
  return typeof value === "string" && value.trim() === "" && !LISTS.has(key);
}

/** Faults of single settings that are not `named` yet, or else of settings that do not go together. */
function findProblems(
  result: z.ZodSafeParseResult<ServerConfig>,
  named: ReadonlySet<string>,
): string[] {
  if (!result.success) {
    const issues = result.error.issues.filter(({ path }) => !named.has(path.join(".")));
    return issues.map(({ path, message, code }) =>
      code === "unrecognized_keys" ? message : `${path.join(".")}: ${message}`,
    );
  }
  const { localWorkersMin, localWorkersMax, publicCertFile, publicKeyFile } = result.data;
  const { workerHeartbeatMs, workerSilenceMs } = result.data;
  const problems: string[] = [];
  if (localWorkersMin > localWorkersMax) {
    problems.push("localWorkersMin: must not be above localWorkersMax");
  }
  // Half of TLS would be plaintext, which nobody who names a certificate wants.
  if (publicCertFile === undefined && publicKeyFile !== undefined) {
    problems.push("publicKeyFile: needs its certificate, publicCertFile");
  }
  if (publicCertFile !== undefined && publicKeyFile === undefined) {
    problems.push("publicCertFile: needs its key, publicKeyFile");
  }
  if (workerSilenceMs <= workerHeartbeatMs) {
    problems.push("workerSilenceMs: must be above workerHeartbeatMs, or every worker is lost");
  }
  return problems;
}

/** What one local worker can hold when the settings do not say. */
export function localWorkerCapacity(config: ServerConfig) {
  const share = Math.max(1, config.localWorkersMax);
  // Without a control group's limit it is 0, or beyond every machine.
  const memoryBytes = Math.min(totalmem(), constrainedMemory() || totalmem());
  return {
    cpuMillis:
      config.localWorkerCpuMillis ?? Math.max(1_000, (availableParallelism() * 1_000) / share),
    memoryBytes: config.localWorkerMemoryBytes ?? Math.floor(memoryBytes / share),
  };
}

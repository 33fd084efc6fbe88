import { homedir } from "node:os";
import { isAbsolute, join } from "node:path";
import { MAX_ATTEMPT_COUNT, PlatformError } from "@hodei/domain";
import { z } from "zod";
import { Secret } from "./secret.ts";

const ENV_PREFIX = "HODEI_WORKER_";
const MIB = 1024 * 1024;
const GIB = 1024 * MIB;

const millis = z.int().min(0).max(31_536_000_000);
const labels = z
  .record(z.string().min(1).max(128), z.string().max(256))
  .refine((all) => Object.keys(all).length <= 64, "must be 64 at most");
const absolutePath = z.string().max(4096).refine(isAbsolute, "must be an absolute path");

/** Every setting of a worker. Unit, default and meaning stand on each field. */
const schema = z
  .strictObject({
    /** The server's worker listener, such as `https://hodei.example:7443`. Required. */
    serverUrl: z.url({ protocol: /^https$/, error: "must look like https://host:port" }).max(2048),
    /** One-use token of the first start; later starts use the certificate it was turned into. */
    joinToken: z.instanceof(Secret).optional(),
    /** File that holds the join token, so that it stands in no environment. Not with `joinToken`. */
    joinTokenFile: absolutePath.optional(),
    /**
     * Folder of the worker's key and of its attempts; made with mode 0700. One running worker per folder.
     * Default: `$XDG_STATE_HOME/hodei/worker`, or `~/.local/state/hodei/worker`.
     */
    stateDir: absolutePath,
    /** For constraints and preferences of jobs. In the environment: `name=value,name=value`. Default: none. */
    labels: labels.default({}),
    /** Keep jobs away that do not tolerate them. In the environment: `key=value,key`. Default: none. */
    taints: labels.default({}),
    /** GPUs that attempts may be given, numbered from 0, all of one model: `model=count`. Default: none. */
    gpu: z
      .string()
      .regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,127}=[1-9]\d{0,2}$/, "must look like model=count")
      .transform(toGpus)
      .optional(),
    /** Attempts at once. Default: 1000, which is the most that a worker may hold. */
    attemptsMax: z.int().min(1).max(MAX_ATTEMPT_COUNT).default(MAX_ATTEMPT_COUNT),
    /** Thousandths of a core that attempts may be given. Default: every core this process may use. */
    cpuMillis: z.int().min(1).max(1_024_000).optional(),
    /** Default: the machine's memory, or the limit of the control group. */
    memoryBytes: z.int().min(MIB).optional(),
    /** How long attempts may go on after SIGTERM. Default: 30 s. */
    drainTimeoutMs: millis.default(30_000),
    /** Processes and threads of one attempt alive at once, where control groups can be made. Default: 4096. */
    attemptPidsMax: z.int().min(1).max(4_194_304).default(4096),
    /**
     * What an attempt's cores mean: `share`, its part when others want the cores too; `cap`, never more than that. Where
     * control groups can be made. Default: `share`.
     */
    attemptCpu: z.enum(["share", "cap"]).default("share"),
    /** Files that each process of an attempt may have open, unless it asks for more. Default: 1024. */
    attemptOpenFiles: z.int().min(64).max(1_048_576).default(1024),
    /** Name or number of the user that attempts run as; for workers of root. Default: the worker's own user. */
    runAs: z
      .union([z.string().min(1).max(256), z.int().min(0)])
      .transform(String)
      .optional(),
    /** Lets attempts run as root, where `runAs` names nobody else and the worker is root. Default: false. */
    allowRoot: z.stringbool().or(z.boolean()).default(false),
    /** Default: `info`. */
    logLevel: z
      .enum(["fatal", "error", "warn", "info", "debug", "trace", "silent"])
      .default("info"),
    /** A log batch is sent when it has this many segments (runs of one stream). Default: 100. */
    logBatchEntries: z.int().min(1).max(1000).default(100),
    /** … or when this long has passed since the last one. Default: 250 ms. */
    logBatchIntervalMs: millis.max(60_000).default(250),
    /** … or when it has this many bytes, which it never has more of. Default: 64 KiB; at most 1 MiB. */
    logBatchBytes: z.int().min(1).max(MIB).default(65_536),
    /** Log of an attempt whose spec names no limit; the rest is left out and counted. Default: 1 GiB. */
    logAttemptBytes: z.int().min(1).default(GIB),
    /**
     * Disk space for the log of one attempt that the server has not stored yet. At the bound the output is left out and
     * counted, or its writer waits, as the spec's `log_policy.overflow` says. Default: 64 MiB.
     */
    logSpoolAttemptBytes: z
      .int()
      .min(65_536)
      .max(1024 * GIB)
      .default(64 * MIB),
    /**
     * The same for all attempts together; at this bound, for those that have more than 256 KiB there. Default: 1 GiB.
     */
    logSpoolBytes: z
      .int()
      .min(65_536)
      .max(1024 * GIB)
      .default(GIB),
    /** With less free disk than this in `stateDir`, the worker takes no new attempts. Default: 256 MiB. */
    minFreeDiskBytes: z
      .int()
      .min(0)
      .default(256 * MIB),
    /** How old a measurement of the machine may be before a heartbeat has a new one made. Default: 35 s. */
    metricsTtlMs: millis.default(35_000),
  })
  .refine((c) => c.joinToken === undefined || c.joinTokenFile === undefined, {
    path: ["joinToken"],
    error: "is given twice: as a value and as a file",
  });

export type WorkerConfig = z.output<typeof schema>;

/** Settings of a caller; each wins over the environment. `undefined` means not given. */
export type WorkerOptions = {
  readonly [Key in keyof z.input<typeof schema>]?:
    | z.input<typeof schema>[Key]
    | (Key extends "joinToken" ? string : never)
    | undefined;
};

const KEYS = Object.keys(schema.shape);
const ENV_NAMES = new Map(KEYS.map((key) => [envName(key), key]));

/**
 * The configuration from the variables `HODEI_WORKER_*` of `env` and from `options`, which win.
 * @throws PlatformError `invalid_argument`, reason `invalid_worker_config`: every fault in one message
 */
export function loadWorkerConfig(
  env: Readonly<Record<string, string | undefined>>,
  options: WorkerOptions = {},
): WorkerConfig {
  const given = Object.entries(options).filter(([, value]) => value !== undefined);
  const input: Record<string, unknown> = {
    stateDir: defaultStateDir(env),
    ...fromEnv(env),
    ...Object.fromEntries(given),
  };
  if (typeof input.joinToken === "string") input.joinToken = new Secret(input.joinToken);
  const parsed = schema.safeParse(input);
  if (parsed.success) return parsed.data;
  throw invalidConfig(
    parsed.error.issues.map(({ path, message }) => `${describe(path)}: ${message}`),
  );
}

function fromEnv(env: Readonly<Record<string, string | undefined>>): Record<string, unknown> {
  const values: Record<string, unknown> = {};
  const unknown: string[] = [];
  for (const [name, text] of Object.entries(env)) {
    if (!name.startsWith(ENV_PREFIX) || text === undefined) continue;
    const key = ENV_NAMES.get(name);
    if (key === undefined) unknown.push(name);
    else values[key] = fromText(key, text);
  }
  if (unknown.length === 0) return values;
  const known = [...ENV_NAMES.keys()].join(", ");
  throw invalidConfig(unknown.map((name) => `${name}: no such setting; there are ${known}`));
}

/** What stands for nothing else than digits is a number; the schema judges the rest. */
function fromText(key: string, text: string): unknown {
  if (key === "labels") return parseLabels(text);
  if (key === "taints") return parseTaints(text);
  // `1` and `0` are yes and no here, no numbers.
  if (key === "allowRoot") return text;
  return /^\d+$/.test(text) ? Number(text) : text;
}

function parseLabels(text: string): Record<string, string> {
  const pairs = text.split(",").filter((pair) => pair.trim() !== "");
  return Object.fromEntries(
    pairs.map((pair) => {
      const at = pair.indexOf("=");
      if (at > 0) return [pair.slice(0, at).trim(), pair.slice(at + 1).trim()];
      throw invalidConfig([`${envName("labels")}: "${pair}" must look like name=value`]);
    }),
  );
}

/** Taints have a key and may have a value. */
function parseTaints(text: string): Record<string, string> {
  const taints = text.split(",").map((taint) => taint.trim());
  return Object.fromEntries(
    taints
      .filter((taint) => taint !== "")
      .map((taint) => {
        const [key = "", ...value] = taint.split("=");
        return [key.trim(), value.join("=").trim()];
      }),
  );
}

function toGpus(text: string): { readonly model: string; readonly count: number } {
  const [model = "", count] = text.split("=");
  return { model, count: Number(count) };
}

function defaultStateDir(env: Readonly<Record<string, string | undefined>>): string {
  const base = env.XDG_STATE_HOME || join(homedir(), ".local", "state");
  return join(base, "hodei", "worker");
}

/** `logBatchBytes` → `HODEI_WORKER_LOG_BATCH_BYTES`. */
function envName(key: string): string {
  return ENV_PREFIX + key.replace(/[A-Z]/g, (letter) => `_${letter}`).toUpperCase();
}

/** The setting under both of its names, since either may have been used. */
function describe(path: readonly PropertyKey[]): string {
  const key = String(path[0] ?? "options");
  return KEYS.includes(key) ? `${key} (${envName(key)})` : key;
}

function invalidConfig(faults: readonly string[]): PlatformError {
  return new PlatformError(
    "invalid_argument",
    "invalid_worker_config",
    `the worker's configuration is wrong: ${faults.join("; ")}`,
  );
}

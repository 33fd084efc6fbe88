import { basename, resolve } from "node:path";
import { LogOverflow } from "@hodei/proto/hodei/v1/job";
import { durationFromMs, type JobSpecInit } from "@hodei/sdk";
import { type Command, Option } from "commander";
import type { CommandContext, Connection } from "./context.ts";
import { collectedBy, parsedBy } from "./define-command.ts";
import { CommandError, UsageError } from "./errors.ts";
import { type LimitFlags, limitsOf, withLimitOptions } from "./limit-flags.ts";
import { type PlacementFlags, placementOf, withPlacementOptions } from "./placement-flags.ts";
import { INPUT_MAX_BYTES, isReadable, readInput, readText } from "./read-input.ts";
import { defined } from "./values/defined.ts";
import { parseDuration } from "./values/duration.ts";
import { parseEnvFile } from "./values/env-file.ts";
import { InvalidValue } from "./values/invalid-value.ts";
import { parseCpu, parsePair, wholeNumber } from "./values/scalars.ts";
import { parseSecretRef, type SecretRef } from "./values/secret-ref.ts";
import { parseSize } from "./values/size.ts";

/** Most retries that a job may ask for; the contract allows 100 attempts. */
const RETRIES_MAX = 99;

/** Flags that describe a job. */
export interface JobFlags extends LimitFlags, PlacementFlags {
  readonly name?: string;
  readonly env?: readonly string[];
  readonly envFile?: readonly string[];
  readonly secret?: readonly SecretRef[];
  readonly workdir?: string;
  readonly stdin?: string;
  readonly timeout?: number;
  readonly queueTimeout?: number;
  readonly grace?: number;
  readonly retries?: number;
  readonly label?: readonly (readonly [string, string])[];
  readonly priority?: number;
  readonly preemptible?: true;
  readonly cpu?: number;
  readonly memory?: number;
  readonly keepBackground?: true;
  readonly privateHome?: true;
  readonly sandbox?: true;
  readonly logLimit?: number;
  readonly logOverflow?: "drop" | "block";
  readonly interpreter?: string;
  readonly idempotencyKey?: string;
}

/** A request to create a job. */
export interface NewJob {
  readonly spec: JobSpecInit;
  /** Empty: none. */
  readonly idempotencyKey: string;
}

/** Adds the flags that describe a job, and its words: `-- program args…` or `script args…`. */
export function withJobOptions(command: Command): Command {
  command
    .usage(
      `[options] -- <program> [args...]\n       ${command.name()} [options] <script> [args...]`,
    )
    .argument(
      "[words...]",
      "script file and its arguments, or after `--` a program and its arguments",
    )
    .passThroughOptions()
    .option("--name <name>", "name shown in lists; default: the script or program", parsedBy(text))
    .option(
      "-e, --env <name[=value]>",
      "environment variable; without a value, yours (repeatable)",
      collectedBy(text),
    )
    .option("--env-file <file>", "file of NAME=VALUE lines (repeatable)", collectedBy(text))
    .option(
      "--secret <name[=form]>",
      "secret to give it, `as-env` (default) or `as-file` (repeatable)",
      collectedBy(parseSecretRef),
    )
    .option(
      "--workdir <folder>",
      "where to run; default: on the local stack this folder, else a private one",
      parsedBy(text),
    )
    .option(
      "--stdin <file>",
      "standard input of the job; `-` for that of this command",
      parsedBy(text),
    );
  return withLimitOptions(withPlacementOptions(withTermOptions(command)));
}

function withTermOptions(command: Command): Command {
  return command
    .option(
      "--timeout <duration>",
      "longest run of one attempt, such as 90s or 1h30m",
      parsedBy(parseDuration),
    )
    .option(
      "--queue-timeout <duration>",
      "longest wait for the first attempt",
      parsedBy(parseDuration),
    )
    .option(
      "--grace <duration>",
      "time between SIGTERM and SIGKILL; default: 10s",
      parsedBy(parseDuration),
    )
    .option(
      "--retries <count>",
      "further attempts after a failure",
      parsedBy(wholeNumber(0, RETRIES_MAX)),
    )
    .option("--label <name=value>", "label for selection (repeatable)", collectedBy(parsePair))
    .option(
      "--priority <number>",
      "higher goes first, -100 to 100",
      parsedBy(wholeNumber(-100, 100)),
    )
    .option("--preemptible", "may be ended for a job of higher priority, and run again")
    .option(
      "--cpu <cores>",
      "cores to set aside, such as 2 or 500m; default: 1",
      parsedBy(parseCpu),
    )
    .option(
      "--memory <size>",
      "memory to set aside, such as 512MiB; the job is ended when it needs more",
      parsedBy(parseSize),
    )
    .option(
      "--keep-background",
      "leave processes alone that outlive the command; default: end them",
    )
    .option("--private-home", "HOME is a folder of the attempt, removed with it")
    .option(
      "--sandbox",
      "read-only system, own /tmp, no other processes in sight; needs bubblewrap",
    )
    .option("--log-limit <size>", "log of one attempt, at most; default: 1GiB", parsedBy(parseSize))
    .addOption(
      new Option(
        "--log-overflow <what>",
        "when output comes faster than it can be stored: drop some, or block the job; default: drop",
      ).choices(["drop", "block"]),
    )
    .option(
      "--interpreter <program>",
      "runs a script that has no #! line; default: bash",
      parsedBy(text),
    )
    .option(
      "--idempotency-key <key>",
      "repeats with the same key create no second job",
      parsedBy(text),
    );
}

const LOG_OVERFLOWS = { drop: LogOverflow.DROP, block: LogOverflow.BLOCK } as const;

/** An option whose value was forgotten would swallow the `--` behind it. */
function text(value: string): string {
  if (value === "--") throw new InvalidValue("the value is missing");
  return value;
}

/**
 * The request that the flags and words describe; reads the files they name.
 * @param args the whole command line that was parsed: a `--` in front of the words makes them a program
 * @throws UsageError, CommandError
 */
export async function readJob(
  words: readonly string[],
  flags: JobFlags,
  args: readonly string[],
  context: Pick<CommandContext, "cwd" | "stdin" | "env">,
): Promise<NewJob> {
  const isProgram = args[args.length - words.length - 1] === "--";
  const work = isProgram ? programWork(words, flags) : await scriptWork(words, flags, context);
  const { timeout, queueTimeout, grace, retries, cpu, memory, stdin } = flags;
  const timeouts = defined({
    run: timeout === undefined ? undefined : durationFromMs(timeout),
    queue: queueTimeout === undefined ? undefined : durationFromMs(queueTimeout),
    grace: grace === undefined ? undefined : durationFromMs(grace),
  });
  const resources = defined({
    cpuMillis: cpu,
    memoryBytes: memory === undefined ? undefined : BigInt(memory),
    ...flags.gpu,
  });
  const spec: JobSpecInit = {
    name: flags.name ?? (isProgram ? "" : basename(words[0] ?? "")),
    work,
    env: await readEnv(flags, context),
    secrets: [...(flags.secret ?? [])],
    workingDir: flags.workdir ?? "",
    priority: flags.priority ?? 0,
    preemptible: flags.preemptible === true,
    labels: Object.fromEntries(flags.label ?? []),
    timeouts,
    resources,
    ...placementOf(flags),
    logPolicy: logPolicyOf(flags),
    ...limitsOf(flags),
    keepBackground: flags.keepBackground === true,
    isolation: { privateHome: flags.privateHome === true, sandbox: flags.sandbox === true },
    ...(retries === undefined ? {} : { retryPolicy: { maxAttempts: retries + 1 } }),
    ...(stdin === undefined ? {} : { stdin: await readInput(stdin, context, INPUT_MAX_BYTES) }),
  };
  return { spec, idempotencyKey: flags.idempotencyKey ?? "" };
}

function logPolicyOf({ logLimit, logOverflow }: JobFlags) {
  return defined({
    maxBytes: logLimit === undefined ? undefined : BigInt(logLimit),
    overflow: logOverflow && LOG_OVERFLOWS[logOverflow],
  });
}

/** The local stack runs jobs on this machine as this user, so there they start where the user is. */
export function placeJob(
  request: NewJob,
  { isLocal }: Pick<Connection, "isLocal">,
  { cwd }: Pick<CommandContext, "cwd">,
): NewJob {
  const { files = [], workingDir } = request.spec;
  // A job that brings files finds them in its private directory.
  const staysPrivate = files.length > 0 && !workingDir;
  if (!isLocal || staysPrivate) return request;
  return { ...request, spec: { ...request.spec, workingDir: resolve(cwd, workingDir ?? "") } };
}

function programWork(words: readonly string[], flags: JobFlags): NonNullable<JobSpecInit["work"]> {
  if (words.length === 0) {
    throw new UsageError("there is no program after `--`", {
      next: "give one: hodei run -- ls -l",
    });
  }
  if (flags.interpreter !== undefined) {
    throw new UsageError("--interpreter is for scripts", {
      next: "leave it out, or give a script file without `--`",
    });
  }
  return { case: "command", value: { argv: [...words] } };
}

async function scriptWork(
  [script, ...args]: readonly string[],
  flags: JobFlags,
  context: Pick<CommandContext, "cwd" | "stdin">,
): Promise<NonNullable<JobSpecInit["work"]>> {
  if (script === undefined) {
    throw new UsageError("there is nothing to run", {
      next: "give a program after `--`, or a script file: hodei run -- ls -l",
    });
  }
  if (!(await isReadable(script, context.cwd))) {
    throw new CommandError(`there is no script file ${JSON.stringify(script)}`, {
      next: `to run a program of that name, put \`--\` in front of it: hodei run -- ${script}`,
    });
  }
  const content = await readText(script, context, INPUT_MAX_BYTES);
  if (content.includes("\0")) {
    throw new CommandError(`${script} is not a script: it holds NUL bytes`, {
      next: `to run a program that the worker has, put \`--\` in front of it: hodei run -- ${script}`,
    });
  }
  if (content === "") throw new CommandError(`${script} is empty`);
  return { case: "script", value: { content, args, interpreter: flags.interpreter ?? "" } };
}

/** Files first, in their order, then single variables: what comes later wins. */
async function readEnv(
  flags: JobFlags,
  context: Pick<CommandContext, "cwd" | "stdin" | "env">,
): Promise<Record<string, string>> {
  const variables = new Map<string, string>();
  for (const file of flags.envFile ?? []) {
    const fileText = await readText(file, context, INPUT_MAX_BYTES);
    for (const [name, value] of parseOrFail(() => parseEnvFile(fileText, file))) {
      variables.set(name, value);
    }
  }
  for (const entry of flags.env ?? []) {
    const [name, value] = entry.includes("=")
      ? parseOrFail(() => parsePair(entry))
      : [entry, context.env[entry]];
    if (value === undefined) {
      throw new CommandError(`--env ${name}: your environment has no variable ${name}`, {
        next: `set it, or give a value: --env ${name}=VALUE`,
      });
    }
    variables.set(name, value);
  }
  return Object.fromEntries(variables);
}

function parseOrFail<Value>(parse: () => Value): Value {
  try {
    return parse();
  } catch (error) {
    if (!(error instanceof InvalidValue)) throw error;
    throw new UsageError(error.message, { cause: error });
  }
}

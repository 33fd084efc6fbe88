import { resolve } from "node:path";
import { type Command, Option } from "commander";
import type { CommandContext } from "../context.ts";
import { collectedBy, createCommand, parsedBy } from "../define-command.ts";
import { parseToleration } from "../values/constraint.ts";
import { parseDuration } from "../values/duration.ts";
import { parseCpu, parsePair, wholeNumber } from "../values/scalars.ts";
import { parseSize } from "../values/size.ts";

interface Flags {
  readonly serverUrl?: string;
  readonly joinTokenFile?: string;
  readonly stateDir?: string;
  readonly label?: readonly (readonly [string, string])[];
  readonly taint?: readonly ReturnType<typeof parseToleration>[];
  readonly gpu?: string;
  readonly attemptsMax?: number;
  readonly cpu?: number;
  readonly memory?: number;
  readonly attemptPidsMax?: number;
  readonly attemptCpu?: "share" | "cap";
  readonly attemptOpenFiles?: number;
  readonly runAs?: string;
  readonly allowRoot?: boolean;
  readonly drainTimeout?: number;
  readonly logLimit?: number;
  readonly logBatchEntries?: number;
  readonly logBatchInterval?: number;
  readonly logBatchSize?: number;
  readonly logSpoolAttemptSize?: number;
  readonly logSpoolSize?: number;
  readonly logLevel?: string;
}

const DESCRIPTION = `Runs a worker until it is told to leave: by SIGTERM or Ctrl-C, or when it was drained. It joins with a
token of \`hodei workers create-join-token\`; later starts need none. Every setting can also be given as
HODEI_WORKER_…, the join token itself as HODEI_WORKER_JOIN_TOKEN. Logs go to standard error.`;

export function define(context: CommandContext): Command {
  const command = createCommand("worker", DESCRIPTION, context)
    .option("--server-url <url>", "worker listener of the server, such as https://host:7401")
    .option("--join-token-file <file>", "file with the join token, for the first start")
    .option("--state-dir <folder>", "folder of the worker's key and its attempts")
    .option("--label <name=value>", "for constraints of jobs (repeatable)", collectedBy(parsePair))
    .option(
      "--taint <key[=value]>",
      "keeps jobs away that do not tolerate it (repeatable)",
      collectedBy(parseToleration),
    )
    .option("--gpu <model=count>", "GPUs that attempts may be given, such as a100=4")
    .option(
      "--attempts-max <count>",
      "attempts at once; default: 1000",
      parsedBy(wholeNumber(1, 1_000)),
    )
    .option("--cpu <cores>", "cores that attempts may be given; default: all", parsedBy(parseCpu))
    .option(
      "--memory <size>",
      "memory that attempts may be given; default: all",
      parsedBy(parseSize),
    )
    .option(
      "--attempt-pids-max <count>",
      "processes and threads of one attempt; default: 4096",
      parsedBy(wholeNumber(1, 4_194_304)),
    )
    .addOption(
      new Option(
        "--attempt-cpu <what>",
        "what an attempt's cores are: its share when others want them too, or a cap; default: share",
      ).choices(["share", "cap"]),
    )
    .option(
      "--attempt-open-files <count>",
      "files that each of its processes may have open; default: 1024",
      parsedBy(wholeNumber(64, 1_048_576)),
    )
    .option("--run-as <user>", "whom attempts run as, when root starts the worker")
    .option("--allow-root", "let attempts run as root, if that starts the worker")
    .option(
      "--drain-timeout <duration>",
      "how long attempts may go on after SIGTERM; default: 30s",
      parsedBy(parseDuration),
    );
  return withLogOptions(command).action((flags: Flags) => runInThisProcess(flags, context));
}

function withLogOptions(command: Command): Command {
  return command
    .option(
      "--log-limit <size>",
      "log of an attempt whose spec names no limit; default: 1GiB",
      parsedBy(parseSize),
    )
    .option(
      "--log-batch-entries <count>",
      "runs of one stream after which a batch of log is sent; default: 100",
      parsedBy(wholeNumber(1, 1000)),
    )
    .option(
      "--log-batch-interval <duration>",
      "time after which it is sent; default: 250ms",
      parsedBy(parseDuration),
    )
    .option(
      "--log-batch-size <size>",
      "bytes at which it is sent, at most 1MiB; default: 64KiB",
      parsedBy(parseSize),
    )
    .option(
      "--log-spool-size <size>",
      "disk for log that is not stored yet; default: 1GiB",
      parsedBy(parseSize),
    )
    .option(
      "--log-spool-attempt-size <size>",
      "the same for one attempt; default: 64MiB",
      parsedBy(parseSize),
    )
    .option("--log-level <level>", "debug, info, warn, error; default: info");
}

async function runInThisProcess(flags: Flags, context: CommandContext): Promise<void> {
  const { runWorker } = await import("@hodei/worker");
  const { serverUrl, joinTokenFile, stateDir, label, cpu, memory, drainTimeout, logLevel } = flags;
  context.exitCode = await runWorker({
    serverUrl,
    joinTokenFile: joinTokenFile && resolve(context.cwd, joinTokenFile),
    stateDir: stateDir && resolve(context.cwd, stateDir),
    labels: label && Object.fromEntries(label),
    taints: flags.taint && Object.fromEntries(flags.taint.map(({ key, value }) => [key, value])),
    gpu: flags.gpu,
    attemptsMax: flags.attemptsMax,
    cpuMillis: cpu,
    memoryBytes: memory,
    attemptPidsMax: flags.attemptPidsMax,
    attemptCpu: flags.attemptCpu,
    attemptOpenFiles: flags.attemptOpenFiles,
    runAs: flags.runAs,
    allowRoot: flags.allowRoot,
    drainTimeoutMs: drainTimeout,
    logAttemptBytes: flags.logLimit,
    logBatchEntries: flags.logBatchEntries,
    logBatchIntervalMs: flags.logBatchInterval,
    logBatchBytes: flags.logBatchSize,
    logSpoolBytes: flags.logSpoolSize,
    logSpoolAttemptBytes: flags.logSpoolAttemptSize,
    logLevel: logLevel as "info" | undefined,
  });
}

import { resolve } from "node:path";
import { type Command, Option } from "commander";
import type { CommandContext } from "../context.ts";
import { createCommand, parsedBy } from "../define-command.ts";
import { defined } from "../values/defined.ts";
import { parseDuration } from "../values/duration.ts";
import { wholeNumber } from "../values/scalars.ts";
import { parseSize } from "../values/size.ts";
import { workerCommand } from "../worker-command.ts";

const POLICIES = [
  "least_loaded",
  "bin_pack",
  "spread",
  "first_available",
  "round_robin",
  "reliable",
] as const;

interface Flags {
  readonly dataDir?: string;
  readonly databaseUrl?: string;
  readonly publicHost?: string;
  readonly publicPort?: number;
  readonly publicCertFile?: string;
  readonly publicKeyFile?: string;
  readonly workerHost?: string;
  readonly workerPort?: number;
  readonly workerHostnames?: string;
  readonly apiTokenFile?: string;
  readonly caDir?: string;
  readonly secretKeyFile?: string;
  readonly localWorkersMin?: number;
  readonly localWorkersMax?: number;
  readonly localWorkersAllowRoot?: boolean;
  readonly logRetention?: number;
  readonly placementPolicy?: (typeof POLICIES)[number];
  readonly poolPolicies?: string;
  readonly tenantLogLimit?: number;
  readonly logLevel?: "debug" | "info" | "warn" | "error";
}

const DESCRIPTION = `Runs a server until SIGTERM or Ctrl-C. Every setting can also be given as HODEI_SERVER_…, such as
HODEI_SERVER_DATABASE_URL. Logs go to standard error.

Example:
  hodei server --data-dir /var/lib/hodei --database-url postgres://hodei@db/hodei`;

const parsePort = parsedBy(wholeNumber(0, 65_535));
const parseCount = parsedBy(wholeNumber(0, 100));

export function define(context: CommandContext): Command {
  return createCommand("server", DESCRIPTION, context)
    .option("--data-dir <folder>", "folder of the CA, the API token and the embedded database")
    .option("--database-url <url>", "PostgreSQL 14 or later; default: an embedded one")
    .option("--public-host <address>", "address of the API; default: 127.0.0.1")
    .option("--public-port <number>", "port of the API; default: 7400", parsePort)
    .option("--public-cert-file <file>", "certificate chain of the API; default: plaintext")
    .option("--public-key-file <file>", "key of that certificate")
    .option("--worker-host <address>", "address for workers; default: 127.0.0.1")
    .option("--worker-port <number>", "port for workers; default: 7401", parsePort)
    .option("--worker-hostnames <names>", "further names by which workers reach it, with commas")
    .option("--api-token-file <file>", "file with the API token; made if it does not exist")
    .option("--ca-dir <folder>", "folder of the CA that signs worker certificates")
    .option(
      "--secret-key-file <file>",
      "file with the master key of secrets; made if it does not exist",
    )
    .option("--local-workers-min <count>", "workers on this machine, at least", parseCount)
    .option(
      "--local-workers-max <count>",
      "workers on this machine, at most; default: 0",
      parseCount,
    )
    .option("--local-workers-allow-root", "let their jobs run as root, if that runs the server")
    .option(
      "--log-retention <duration>",
      "how long logs are kept after the end of their attempts; default: 30 days",
      parsedBy(parseDuration),
    )
    .option(
      "--tenant-log-limit <size>",
      "logs that one tenant may store on one day; default: 1TiB",
      parsedBy(parseSize),
    )
    .addOption(
      new Option(
        "--placement-policy <name>",
        "how to choose among workers for jobs that do not say; default: least_loaded",
      ).choices(POLICIES),
    )
    .option(
      "--pool-policies <list>",
      "the same among the workers of single pools: name=policy, with commas; default: as the server is set",
    )
    .addOption(
      new Option("--log-level <level>", "what to log; default: info").choices([
        "debug",
        "info",
        "warn",
        "error",
      ]),
    )
    .action((flags: Flags) => runInThisProcess(flags, context));
}

async function runInThisProcess(
  { logRetention: logRetentionMs, tenantLogLimit: tenantLogBytesPerDay, ...flags }: Flags,
  context: CommandContext,
): Promise<void> {
  const { runServer } = await import("@hodei/server");
  const inFolder = (path: string | undefined) => path && resolve(context.cwd, path);
  context.exitCode = await runServer({
    settings: defined({
      ...flags,
      logRetentionMs,
      tenantLogBytesPerDay,
      dataDir: inFolder(flags.dataDir),
      publicCertFile: inFolder(flags.publicCertFile),
      publicKeyFile: inFolder(flags.publicKeyFile),
      apiTokenFile: inFolder(flags.apiTokenFile),
      caDir: inFolder(flags.caDir),
      secretKeyFile: inFolder(flags.secretKeyFile),
    }),
    workerCommand: workerCommand(context),
  });
}

import {
  type Secret,
  SecretSchema,
  SetSecretResponseSchema,
} from "@hodei/proto/hodei/v1/secret_service";
import { HodeiError, messageToJson } from "@hodei/sdk";
import type { Command } from "commander";
import { type CommandContext, type ConnectionFlags, withConnection } from "../context.ts";
import {
  createCommand,
  type OutputFlags,
  parsedBy,
  withConnectionOptions,
  withOutputOption,
} from "../define-command.ts";
import { CommandError } from "../errors.ts";
import { print } from "../output/format.ts";
import { notice } from "../output/notice.ts";
import { painter, table } from "../output/text.ts";
import { age } from "../output/time.ts";
import { readPages } from "../pages.ts";
import { readInput } from "../read-input.ts";
import { wholeNumber } from "../values/scalars.ts";
import { parseSecretName } from "../values/secret-ref.ts";

type Flags = ConnectionFlags & OutputFlags;

interface SetFlags extends Flags {
  readonly fromFile?: string;
}

interface ListFlags extends Flags {
  readonly limit: number;
}

/** The contract's limit. */
const VALUE_MAX_BYTES = 65_536;

const SET_DESCRIPTION = `Makes a secret, or gives it a new value. The value comes from standard input, less one line end at its end, as
echo and editors leave it; or from a file, byte for byte. Never from the command line, which other users can see.

Examples:
  pass show deploy | hodei secrets set DEPLOY_TOKEN
  hodei secrets set SSH_KEY --from-file ~/.ssh/deploy`;

export function define(context: CommandContext): Command {
  const secrets = createCommand(
    "secrets",
    "Keeps secrets for jobs. No command shows a value.",
    context,
  );
  const withFlags = (command: Command): Command => withOutputOption(withConnectionOptions(command));
  withFlags(
    secrets
      .command("set")
      .description(SET_DESCRIPTION)
      .argument(
        "<name>",
        "name of the secret, and of the variable or file",
        parsedBy(parseSecretName),
      )
      .option("--from-file <file>", "file with the value, taken byte for byte"),
  ).action((name: string, flags: SetFlags) => setSecret(name, flags, context));
  withFlags(
    secrets
      .command("list")
      .description("Lists secrets by name.")
      .option("--limit <count>", "at most so many", parsedBy(wholeNumber(1, 1_000_000)), 1_000),
  ).action((flags: ListFlags) => listSecrets(flags, context));
  withConnectionOptions(
    secrets
      .command("rm")
      .description("Deletes a secret. Attempts that have it keep it.")
      .argument("<name>", "name of the secret", parsedBy(parseSecretName)),
  ).action((name: string, flags: ConnectionFlags) => deleteSecret(name, flags, context));
  return secrets;
}

async function setSecret(name: string, flags: SetFlags, context: CommandContext): Promise<void> {
  const value = await readValue(flags, context);
  try {
    await withConnection(context, flags, async ({ client }) => {
      const response = await client.secrets.setSecret({ name, value });
      const { secret } = response;
      if (secret === undefined) {
        throw new HodeiError("internal", "internal", "the server sent no secret");
      }
      await print(context, flags.output, {
        data: () => messageToJson(SetSecretResponseSchema, response),
        text: () => `${secret.name} version ${secret.version}\n`,
      });
      for (const warning of response.warnings) await notice(context, `warning: ${warning}`);
    });
  } finally {
    value.fill(0);
  }
}

async function readValue(
  { fromFile }: SetFlags,
  context: CommandContext,
): Promise<Uint8Array<ArrayBuffer>> {
  if (fromFile === undefined && isTerminal(context)) {
    await notice(context, "type the value, then Enter and Ctrl-D; it shows as you type");
  }
  const bytes = await readInput(fromFile ?? "-", context, VALUE_MAX_BYTES + 2);
  const value = fromFile === undefined ? withoutLineEnd(bytes) : bytes;
  if (value.length === 0) {
    throw new CommandError("the value is empty", {
      next: "give it on standard input, or name a file with --from-file",
    });
  }
  if (value.length > VALUE_MAX_BYTES) {
    throw new CommandError(`the value is longer than ${VALUE_MAX_BYTES} bytes`, {
      next: "keep a key that opens it as the secret, and let the job fetch the rest",
    });
  }
  return Uint8Array.from(value);
}

function withoutLineEnd(bytes: Uint8Array): Uint8Array {
  if (bytes.at(-1) !== NEWLINE) return bytes;
  return bytes.subarray(0, bytes.at(-2) === CARRIAGE_RETURN ? -2 : -1);
}

const NEWLINE = 0x0a;
const CARRIAGE_RETURN = 0x0d;

const isTerminal = ({ stdin }: CommandContext): boolean => "isTTY" in stdin && stdin.isTTY === true;

async function listSecrets(flags: ListFlags, context: CommandContext): Promise<void> {
  await withConnection(context, flags, async ({ client }) => {
    const { items, hasMore } = await readPages(flags.limit, async (pageSize, pageToken) => {
      const page = await client.secrets.listSecrets({ pageSize, pageToken });
      return { items: page.secrets, nextPageToken: page.nextPageToken };
    });
    await print(context, flags.output, {
      data: () => items.map((secret) => messageToJson(SecretSchema, secret)),
      text: () => secretTable(items, context),
    });
    if (hasMore) await notice(context, `there are more than ${flags.limit}; see --limit`);
  });
}

function secretTable(secrets: readonly Secret[], context: CommandContext): string {
  const now = context.now();
  const rows = secrets.map(({ name, version, createdAt, updatedAt }) => [
    name,
    `${version}`,
    age(updatedAt, now),
    age(createdAt, now),
  ]);
  return table(["NAME", "VERSION", "SET", "AGE"], rows, painter(context));
}

async function deleteSecret(
  name: string,
  flags: ConnectionFlags,
  context: CommandContext,
): Promise<void> {
  await withConnection(context, flags, async ({ client }) => {
    await client.secrets.deleteSecret({ name });
  });
}

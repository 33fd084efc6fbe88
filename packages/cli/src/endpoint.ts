import { readFile } from "node:fs/promises";
import { homedir } from "node:os";
import { isAbsolute, join, resolve } from "node:path";
import type { ConnectionFlags, Environment } from "./context.ts";
import { CommandError, describeSystemError, UsageError } from "./errors.ts";

/** Where a server is and how to be let in. */
export interface Endpoint {
  readonly url: string;
  readonly token: string | undefined;
}

/**
 * The server that the flags name, else the environment (HODEI_SERVER), else the settings file; `undefined` if none
 * does. A token is only sent to the server it was given with: one of the settings file goes to no other server.
 * @throws CommandError if a file cannot be read; UsageError if the address is not one
 */
export async function findEndpoint(
  flags: ConnectionFlags,
  env: Environment,
  cwd: string,
): Promise<Endpoint | undefined> {
  const settings = await readSettings(env);
  const given = flags.server ?? env.HODEI_SERVER;
  const server = given ?? settings.server;
  // An empty variable counts as none; an empty option is one that a script failed to fill in.
  if (server === undefined || (server === "" && flags.server === undefined)) return undefined;
  const settingsTokenFile = given === undefined ? settings.tokenFile : undefined;
  const url = parseServer(server);
  const token = (await findToken(flags.tokenFile, settingsTokenFile, env, cwd))?.trim();
  // Not repeated in the message, as the error of the header would do.
  if (token !== undefined && !/^[\x21-\x7e]*$/.test(token)) {
    throw new CommandError("the access token holds spaces, line ends or letters beyond ASCII", {
      next: "take it from the server's api-token file, alone on one line",
    });
  }
  return { url, token };
}

async function findToken(
  flagFile: string | undefined,
  settingsFile: string | undefined,
  env: Environment,
  cwd: string,
): Promise<string | undefined> {
  if (flagFile !== undefined) return readToken(resolve(cwd, flagFile));
  if (env.HODEI_TOKEN !== undefined) return env.HODEI_TOKEN;
  if (env.HODEI_TOKEN_FILE !== undefined) return readToken(resolve(cwd, env.HODEI_TOKEN_FILE));
  return settingsFile === undefined ? undefined : readToken(settingsFile);
}

/** The token in a file; surrounding white space does not count. @throws CommandError */
export async function readToken(file: string): Promise<string> {
  const token = await readFile(file, "utf8").catch((error: unknown) => {
    throw new CommandError(`cannot read the token file ${file}: ${describeSystemError(error)}`, {
      next: "give another with --token-file",
      cause: error,
    });
  });
  return token.trim();
}

function parseServer(text: string): string {
  const url = URL.parse(text);
  if (url !== null && (url.protocol === "http:" || url.protocol === "https:")) {
    return url.href.replace(/\/+$/, "");
  }
  throw new UsageError(`${JSON.stringify(text)} is not the address of a server`, {
    next: "addresses look like https://hodei.example.com or http://127.0.0.1:7070",
  });
}

/** What the settings file may hold. */
interface Settings {
  readonly server?: string;
  readonly tokenFile?: string;
}

/** Where the settings file is: `~/.config/hodei/config.yaml`, or under XDG_CONFIG_HOME. */
function settingsFile(env: Environment): string {
  const xdg = env.XDG_CONFIG_HOME;
  const folder =
    xdg !== undefined && isAbsolute(xdg) ? xdg : join(env.HOME ?? homedir(), ".config");
  return join(folder, "hodei", "config.yaml");
}

async function readSettings(env: Environment): Promise<Settings> {
  const file = settingsFile(env);
  let text: string;
  try {
    text = await readFile(file, "utf8");
  } catch (error) {
    if (isMissing(error)) return {};
    throw new CommandError(`cannot read the settings file ${file}: ${describeSystemError(error)}`, {
      next: "make it readable, or remove it",
      cause: error,
    });
  }
  return parseSettings(text, file);
}

const isMissing = (error: unknown): boolean =>
  error instanceof Error &&
  "code" in error &&
  (error.code === "ENOENT" || error.code === "ENOTDIR");

async function parseSettings(text: string, file: string): Promise<Settings> {
  // Few have a settings file, so what reads it is loaded here.
  const [{ parse }, { z }] = await Promise.all([import("yaml"), import("zod")]);
  const schema = z.strictObject({
    server: z.string().optional(),
    tokenFile: z.string().optional(),
  });
  try {
    const { server, tokenFile } = schema.parse(parse(text) ?? {});
    return {
      ...(server === undefined ? {} : { server }),
      ...(tokenFile === undefined ? {} : { tokenFile: resolve(file, "..", tokenFile) }),
    };
  } catch (error) {
    const why = error instanceof z.ZodError ? z.prettifyError(error) : String(error);
    throw new CommandError(`the settings file ${file} makes no sense: ${why}`, {
      next: "it may hold server and tokenFile, both texts",
      cause: error,
    });
  }
}

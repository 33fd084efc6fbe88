import { createClient } from "@hodei/sdk";
import type { CommandContext, Connection, ConnectionFlags } from "./context.ts";
import { findEndpoint } from "./endpoint.ts";

/** Opens the way to the server of choice; without a choice to the local stack, which is started if need be. */
export async function connect(
  flags: ConnectionFlags,
  context: CommandContext,
): Promise<Connection> {
  const endpoint = await findEndpoint(flags, context.env, context.cwd);
  if (endpoint === undefined) {
    const { ensureLocalStack } = await import("./local-stack/ensure-local-stack.ts");
    const { client, stack } = await ensureLocalStack(context);
    const { endpoint: url, version } = stack;
    return { client, isLocal: true, endpoint: url, version };
  }
  const { url, token } = endpoint;
  const client = createClient({ endpoint: url, ...(token === undefined ? {} : { token }) });
  return { client, isLocal: false, endpoint: url };
}

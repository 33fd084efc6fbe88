import type { HodeiClient } from "@hodei/sdk";
import type { Output } from "./output/output.ts";

export type Environment = Readonly<Record<string, string | undefined>>;

/** Which server to use, as the command line says. */
export interface ConnectionFlags {
  readonly server?: string;
  readonly tokenFile?: string;
}

/** An open way to a server. */
export interface Connection {
  readonly client: HodeiClient;
  /** Whether it is the per-user local stack: jobs run on this machine, as this user. */
  readonly isLocal: boolean;
  readonly endpoint: string;
  /** Of the server, where it is known without asking. */
  readonly version?: string;
}

/** All that a command may touch of the process it runs in. */
export interface CommandContext {
  readonly env: Environment;
  readonly cwd: string;
  /** How to start this program again: the interpreter and its script. */
  readonly program: readonly [string, ...string[]];
  readonly stdin: AsyncIterable<Uint8Array | string>;
  readonly stdout: Output;
  readonly stderr: Output;
  /** Exit code of the process; 0 unless a command sets it. */
  exitCode: number;
  now(): Date;
  /** Connects to the server that flags, environment and settings name, else to the local stack, which it starts. */
  connect(flags: ConnectionFlags): Promise<Connection>;
  /** Calls `handler` on each SIGINT or SIGTERM instead of ending the process, until the result is called. */
  onInterrupt(handler: () => void): () => void;
}

/** Runs `action` with a connection, which is closed afterwards. */
export async function withConnection(
  context: CommandContext,
  flags: ConnectionFlags,
  action: (connection: Connection) => Promise<void>,
): Promise<void> {
  const connection = await context.connect(flags);
  try {
    await action(connection);
  } finally {
    connection.client.close();
  }
}

import { Readable } from "node:stream";
import type { HodeiClient } from "@hodei/sdk";
import type { CommandContext } from "../context.ts";
import { BrokenPipe, type Output } from "../output/output.ts";

/** An output that keeps what is written to it. */
class MemoryOutput implements Output {
  isTerminal = false;
  readonly columns = 100;
  /** After so many bytes its reader is gone. */
  limitBytes = Number.POSITIVE_INFINITY;
  readonly #pieces: Buffer[] = [];

  async write(data: string | Uint8Array): Promise<void> {
    if (this.bytes.length >= this.limitBytes) throw new BrokenPipe("nobody reads");
    this.#pieces.push(Buffer.from(data));
  }

  get bytes(): Buffer {
    return Buffer.concat(this.#pieces);
  }

  get text(): string {
    return this.bytes.toString();
  }
}

export interface FakeContext extends CommandContext {
  readonly stdout: MemoryOutput;
  readonly stderr: MemoryOutput;
  /** As if the user pressed Ctrl-C. */
  interrupt(): void;
}

/** A context for a command that runs inside a test, connected to `client`. */
export function fakeContext(
  client: Partial<HodeiClient>,
  options: {
    readonly env?: CommandContext["env"];
    readonly cwd?: string;
    readonly stdin?: string | Uint8Array;
    readonly isLocal?: boolean;
  } = {},
): FakeContext {
  const handlers = new Set<() => void>();
  return {
    env: options.env ?? {},
    cwd: options.cwd ?? "/",
    program: ["node", "hodei.mjs"],
    stdin: Readable.from(options.stdin === undefined ? [] : [options.stdin]),
    stdout: new MemoryOutput(),
    stderr: new MemoryOutput(),
    exitCode: 0,
    now: () => new Date("2026-01-31T08:00:00Z"),
    connect: async () => ({
      client: { close() {}, ...client } as HodeiClient,
      isLocal: options.isLocal ?? false,
      endpoint: "http://fake",
    }),
    onInterrupt(handler) {
      handlers.add(handler);
      return () => handlers.delete(handler);
    },
    interrupt() {
      for (const handler of handlers) handler();
    },
  };
}

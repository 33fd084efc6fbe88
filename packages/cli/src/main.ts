import type { CommandContext } from "./context.ts";
import { streamOutput } from "./output/output.ts";
import { runCli } from "./run-cli.ts";

/** Runs the command line of this process and ends it. */
export async function main(): Promise<never> {
  const context = processContext();
  await runCli(process.argv.slice(2), context);
  // All output was waited for. What may still be open, such as a connection, must not hold the process back.
  process.exit(context.exitCode);
}

function processContext(): CommandContext {
  const context: CommandContext = {
    env: process.env,
    cwd: process.cwd(),
    program: [process.execPath, process.argv[1] ?? ""],
    // Only when it is read: to touch it opens it.
    get stdin() {
      return process.stdin;
    },
    stdout: streamOutput(process.stdout),
    stderr: streamOutput(process.stderr),
    exitCode: 0,
    now: () => new Date(),
    async connect(flags) {
      const { connect } = await import("./connection.ts");
      return connect(flags, context);
    },
    onInterrupt(handler) {
      process.on("SIGINT", handler);
      process.on("SIGTERM", handler);
      return () => {
        process.off("SIGINT", handler);
        process.off("SIGTERM", handler);
      };
    },
  };
  return context;
}

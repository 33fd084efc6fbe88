import { basename } from "node:path";
import { INTERPRETERS, type Script } from "@hodei/domain";
import { AttemptFailure } from "./attempt-failure.ts";
import type { AttemptSpec } from "./attempt-run.ts";

/** What bash scripts without a `#!` line run under: end at the first failure, of a pipe's part too. */
const SAFETY_FLAGS = ["-euo", "pipefail"];

/** A program and its arguments, to be executed as they are. */
export interface AttemptCommand {
  readonly file: string;
  readonly args: readonly string[];
}

/**
 * The command that does the work of a spec, whose script, if it has one, stands at `scriptPath`.
 *
 * The safety flags are arguments of bash instead of a first line in the script, so that line numbers in its messages
 * and `$0` stay true.
 * @throws AttemptFailure `invalid_spec`
 */
export function toCommand(work: AttemptSpec["work"], scriptPath: string): AttemptCommand {
  switch (work.kind) {
    case "command": {
      const [file, ...args] = work.argv;
      if (file) return { file, args };
      throw new AttemptFailure(
        "invalid_spec",
        "The command is empty: argv must start with a program.",
      );
    }
    case "script":
      return scriptCommand(work, scriptPath);
    case "unsupported":
      throw new AttemptFailure("invalid_spec", `This worker cannot run ${work.what}.`);
  }
}

/** The path in a script's `#!` line, or `undefined` if it has none. */
export function findShebang(content: string): string | undefined {
  return /^#![ \t]*([^ \t\n]*)/.exec(content)?.[1];
}

function scriptCommand(script: Script, scriptPath: string): AttemptCommand {
  if (findShebang(script.content) !== undefined) return { file: scriptPath, args: script.args };
  const interpreter = script.interpreter || "bash";
  if (!isKnown(interpreter)) {
    throw new AttemptFailure(
      "invalid_spec",
      `The interpreter "${interpreter}" is unknown: use ${INTERPRETERS.join(", ")} or an absolute path.`,
    );
  }
  const isSafe = basename(interpreter) === "bash" && !script.withoutSafetyPreamble;
  const flags = isSafe ? SAFETY_FLAGS : [];
  return { file: interpreter, args: [...flags, scriptPath, ...script.args] };
}

function isKnown(interpreter: string): boolean {
  return interpreter.startsWith("/") || INTERPRETERS.some((name) => name === interpreter);
}

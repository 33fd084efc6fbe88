import { BrokenPipe } from "./output/output.ts";

/** A command cannot go on: `message` says why, `next` what to do about it. */
export class CommandError extends Error {
  override readonly name: string = "CommandError";
  readonly next: string | undefined;

  constructor(message: string, options: { next?: string; cause?: unknown } = {}) {
    super(message, options);
    this.next = options.next;
  }
}

/** The command line makes no sense. */
export class UsageError extends CommandError {
  override readonly name = "UsageError";
}

/**
 * `error` for people, or as one line of JSON. Ours, and those of the SDK, carry what to do next; of anything else,
 * which is a bug, the stack is shown.
 */
export function describeError(error: unknown, format: "text" | "json"): string {
  const { message, next, code, reason } = factsOf(error);
  if (format === "json") return `${JSON.stringify({ error: { code, reason, message, next } })}\n`;
  return `hodei: ${message}${next === undefined ? "" : `; ${next}`}\n`;
}

/** Exit code of a command that ended with `error`: 2 for wrong usage, 141 if nobody reads its output any more. */
export function exitCodeOfError(error: unknown, failureExitCode = 1): number {
  if (error instanceof UsageError) return 2;
  return error instanceof BrokenPipe ? BROKEN_PIPE_EXIT_CODE : failureExitCode;
}

/** 128 + SIGPIPE: what a shell reports of a process that a broken pipe ended. */
const BROKEN_PIPE_EXIT_CODE = 141;

interface ErrorFacts {
  readonly message: string;
  readonly next: string | undefined;
  readonly code: string;
  readonly reason: string;
}

function factsOf(error: unknown): ErrorFacts {
  if (error instanceof UsageError) {
    return { message: error.message, next: error.next, code: "invalid_argument", reason: "usage" };
  }
  if (error instanceof CommandError) {
    return { message: error.message, next: error.next, code: "failed_precondition", reason: "cli" };
  }
  // Told by their names: to import the SDK or the server here would slow every command down.
  if (error instanceof Error && EXPECTED_ERRORS.has(error.name)) {
    const { code, reason, next } = error as Error & ErrorFacts;
    return { message: error.message, next, code, reason };
  }
  if (isSystemError(error)) {
    const what = `${error.syscall} ${error.path ?? ""}`.trim();
    const message = `${describeSystemError(error)} (${what})`;
    return { message, next: undefined, code: "failed_precondition", reason: error.code };
  }
  const message = `unexpected error: ${error instanceof Error ? error.stack : String(error)}`;
  return { message, next: "please report it as a bug", code: "internal", reason: "bug" };
}

/** Expected failures of the SDK, and of a server or worker in this process. */
const EXPECTED_ERRORS: ReadonlySet<string> = new Set(["HodeiError", "PlatformError"]);

interface SystemError extends Error {
  readonly code: string;
  readonly syscall: string;
  readonly path?: string;
}

/** A failure of the operating system, such as a full disk, is no bug of ours wherever it comes from. */
export function isSystemError(error: unknown): error is SystemError {
  return error instanceof Error && "syscall" in error && "code" in error;
}

/** Message of an operating system's failure, without the code and the call that Node.js puts around it. */
export function describeSystemError(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const [, text] = /^[A-Z0-9]+: ([^,]+), /.exec(error.message) ?? [];
  return text ?? error.message;
}

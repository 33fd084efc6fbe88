import { spawn } from "node:child_process";
import { constants } from "node:os";
import { isatty } from "node:tty";

const FORWARDED = ["SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT"];

/**
 * Starts a program; `ended` resolves with its exit code, or with 128 + n when signal n ended it.
 *
 * Signals that this process gets are passed on, so that whoever stops it stops the program. `ended` rejects
 * when the program cannot be started, with the code `ENOENT` when it, or its loader, is missing.
 */
export function runChild(command, args, options) {
  const child = spawn(command, args, options);
  const forward = (signal) => {
    if (!isSentByTerminal(signal)) child.kill(signal);
  };
  for (const signal of FORWARDED) process.on(signal, forward);
  const ended = new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (code, signal) => resolve(code ?? 128 + constants.signals[signal]));
  });
  return {
    child,
    ended: ended.finally(() => {
      for (const signal of FORWARDED) process.off(signal, forward);
    }),
  };
}

/** A terminal signals the child too. A second copy would count as a second Ctrl-C. */
function isSentByTerminal(signal) {
  return signal !== "SIGTERM" && [0, 1, 2].some((fd) => isatty(fd));
}

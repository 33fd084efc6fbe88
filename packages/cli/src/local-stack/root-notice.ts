/** For the lines that tell of a start: jobs of a local stack run as the user who started it. Empty unless that is root. */
export function rootNotice(): string {
  return process.getuid?.() === 0 ? "; you are root, and so are its jobs" : "";
}

/** How far one process of a job got with one attempt. Written by the job to a file that no worker knows. */
export interface Progress {
  readonly jobId: string;
  readonly attempt: number;
  /** Bytes that it was about to write at most, and those that it had certainly written. */
  readonly intended: Readonly<Record<"stdout" | "stderr", number>>;
  readonly written: Readonly<Record<"stdout" | "stderr", number>>;
  /** It wrote all that it had to. */
  readonly isComplete: boolean;
}

/** Records of a progress file: `i` before a write, `w` after it, with both totals; `e` at the end. */
export const intent = (stdout: number, stderr: number): string => `i ${stdout} ${stderr}\n`;
export const wrote = (stdout: number, stderr: number): string => `w ${stdout} ${stderr}\n`;
export const COMPLETE = "e 0 0\n";

/** Two processes never share a file, so an attempt that was started twice has two. */
export const progressName = (jobId: string, attempt: number, pid: number): string =>
  `${jobId}.${attempt}.${pid}`;

/** What the file `name` with `text` tells; a last line that was cut off is left out. */
export function parseProgress(name: string, text: string): Progress {
  const [jobId = "", attempt = ""] = name.split(".");
  let intended = { stdout: 0, stderr: 0 };
  let written = { stdout: 0, stderr: 0 };
  let isComplete = false;
  for (const line of text.split("\n").slice(0, -1)) {
    const [kind, stdout, stderr] = line.split(" ");
    const totals = { stdout: Number(stdout), stderr: Number(stderr) };
    if (kind === "i") intended = totals;
    else if (kind === "w") written = totals;
    else isComplete = true;
  }
  return { jobId, attempt: Number(attempt), intended, written, isComplete };
}

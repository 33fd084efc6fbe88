import { isAttemptOver, type JobId, type LogChunk, type LogStream } from "@hodei/domain";
import type { Deps } from "./deps.ts";
import { findOwnJob } from "./get-job.ts";
import type { Principal } from "./principal.ts";

export interface ReadLogsInput {
  readonly jobId: JobId;
  /** 0: the latest. */
  readonly attempt: number;
  readonly offset: number;
  readonly maxBytes: number;
  /** `null`: both. */
  readonly stream: LogStream | null;
}

export interface LogsRead {
  readonly attempt: number;
  readonly chunks: readonly LogChunk[];
  readonly nextOffset: number;
  /** Nothing will come after `nextOffset`. */
  readonly complete: boolean;
}

/** A range of one attempt's log. @throws PlatformError `not_found` */
export async function readLogs(
  deps: Pick<Deps, "database" | "logs">,
  principal: Principal,
  input: ReadLogsInput,
): Promise<LogsRead> {
  const job = await findOwnJob(deps, principal, input.jobId);
  const attempt = input.attempt === 0 ? job.attempt : input.attempt;
  // Asked before reading: an attempt that was over then can have no more log than is read now.
  const over = await isOver(deps, job.id, attempt);
  const { chunks, nextOffset } = await deps.logs.read({ ...input, attempt });
  const stored = await deps.logs.durableOffset(job.id, attempt);
  return { attempt, chunks, nextOffset, complete: over && nextOffset >= stored };
}

/** Whether nothing can be added to the attempt's log any more. */
export async function isOver(
  deps: Pick<Deps, "database">,
  jobId: JobId,
  attempt: number,
): Promise<boolean> {
  const found = await deps.database.readers.attempts.find(jobId, attempt);
  return found !== undefined && isAttemptOver(found.state);
}

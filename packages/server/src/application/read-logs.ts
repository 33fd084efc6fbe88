import {
  type Attempt,
  isAttemptOver,
  type JobId,
  type LogChunk,
  type LogPage,
  type LogStart,
  type LogStream,
} from "@hodei/domain";
import type { Deps } from "./deps.ts";
import { findOwnJob } from "./get-job.ts";
import type { Principal } from "./principal.ts";

export interface ReadLogsInput {
  readonly jobId: JobId;
  /** 0: the latest. */
  readonly attempt: number;
  readonly start: LogStart;
  readonly maxBytes: number;
  /** `null`: both. */
  readonly stream: LogStream | null;
}

export interface LogsRead {
  readonly attempt: number;
  readonly chunks: readonly LogChunk[];
  /** Newlines before the chunks, of the streams asked for. */
  readonly linesBefore: number;
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
  const ended = await findEnded(deps, job.id, attempt);
  const { stream, start, maxBytes } = input;
  const source = { jobId: job.id, attempt, stream };
  const { offset, linesBefore } = await deps.logs.findPlace({ ...source, start });
  const page = await deps.logs.read({ ...source, offset, maxBytes });
  const { chunks, nextOffset } = withExpired(page, ended, stream);
  const stored = await deps.logs.durableOffset(job.id, attempt);
  const complete = ended !== undefined && nextOffset >= Math.max(stored, ended.logBytes);
  return { attempt, chunks, linesBefore, nextOffset, complete };
}

/** The attempt, if nothing can be added to its log any more. */
export async function findEnded(
  deps: Pick<Deps, "database">,
  jobId: JobId,
  attempt: number,
): Promise<Attempt | undefined> {
  const found = await deps.database.readers.attempts.find(jobId, attempt);
  return found !== undefined && isAttemptOver(found.state) ? found : undefined;
}

/**
 * `page`, or, where there is nothing to read although the ended attempt wrote more, a gap with the rest of its bytes:
 * they were not kept for so long.
 */
export function withExpired(
  page: LogPage,
  ended: Attempt | undefined,
  stream: LogStream | null,
): LogPage {
  const offset = page.nextOffset;
  if (page.chunks.length > 0 || ended === undefined || offset >= ended.logBytes) return page;
  const missing = { reason: "expired", lengthBytes: ended.logBytes - offset } as const;
  const at = ended.finishedAt ?? ended.assignedAt;
  const gap = { stream: stream ?? "stdout", offset, at, data: new Uint8Array(0), missing };
  return { chunks: [gap], nextOffset: ended.logBytes };
}

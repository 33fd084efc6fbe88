import type { MessageInitShape } from "@bufbuild/protobuf";
import {
  type LogChunk,
  LogStream,
  type TailLogsRequestSchema,
  type TailLogsResponse,
} from "@hodei/proto/hodei/v1/log_service";
import type { HodeiClient } from "./client.ts";
import { LogPosition } from "./log-position.ts";
import { reopening, type StreamOptions } from "./reopening.ts";
import { isFinal, watchJob } from "./watch-job.ts";

/** A piece of the log of one attempt. `chunk.gapBytes` is above 0 where bytes are missing for good. */
export interface LogPiece {
  readonly attempt: number;
  readonly chunk: LogChunk;
  /**
   * Newlines of the attempt's log before the chunk, of the streams asked for; set on the first piece of an attempt. Those of
   * missing bytes do not count.
   */
  readonly linesBefore?: bigint;
}

type Client = Pick<HodeiClient, "jobs" | "logs">;
type TailRequest = Omit<MessageInitShape<typeof TailLogsRequestSchema>, "$typeName">;

/**
 * The log of a job: what is stored, then with `follow` what comes, until the job has ended.
 *
 * Outlives broken connections: a stream that breaks is reopened behind the last byte that came, so nothing is
 * missing and nothing comes twice. Bytes of one attempt come in order; attempts come one after another. The next
 * piece is read when the caller asks for it, so a slow reader slows the stream down.
 * @throws HodeiError `not_found`; `unavailable` once the server has been gone for the limit; `cancelled`.
 */
export async function* tailLogs(
  client: Client,
  request: TailRequest,
  options: StreamOptions = {},
): AsyncGenerator<LogPiece> {
  const position = new LogPosition(request.stream ?? LogStream.UNSPECIFIED);
  const messages = reopening((signal) => open(client, request, position, signal), options);
  for await (const { attempt, chunks, linesBefore } of messages) {
    // A stream that was reopened tells it again.
    const isNew = attempt > position.attempt && linesBefore !== undefined;
    let start = isNew ? { linesBefore } : {};
    for (const chunk of chunks) {
      for (const unseen of position.accept(attempt, chunk)) {
        yield { attempt, chunk: unseen, ...start };
        start = {};
      }
    }
  }
}

/**
 * The log from `position` on. A request that goes on in the middle names its attempt, because an offset counts
 * within one; so the attempts after it are asked for one by one.
 */
async function* open(
  client: Client,
  request: TailRequest,
  position: LogPosition,
  signal: AbortSignal,
): AsyncGenerator<TailLogsResponse> {
  if (position.attempt === 0) {
    yield* client.logs.tailLogs(request, { signal });
    return;
  }
  const { tailLines: _, line: __, since: ___, ...rest } = request;
  for (;;) {
    const { attempt, offset } = position;
    yield* client.logs.tailLogs({ ...rest, attempt, offset }, { signal });
    const readsAllAttempts = (request.attempt ?? 0) === 0;
    if (!readsAllAttempts || !(await isFollowed(client, attempt, request, signal))) return;
    position.moveTo(attempt + 1, 0n);
  }
}

/** Whether there is an attempt after `attempt`; with `follow`, whether there will be. */
async function isFollowed(
  client: Client,
  attempt: number,
  { jobId, follow }: TailRequest,
  signal: AbortSignal,
): Promise<boolean> {
  for await (const job of watchJob(client, jobId ?? "", { signal })) {
    if (job.attempt > attempt) return true;
    if (isFinal(job.state) || !follow) return false;
  }
  return false;
}

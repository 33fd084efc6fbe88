import {
  type Attempt,
  chunkEnd,
  isTerminal,
  type Job,
  type JobId,
  type LogChunk,
  type LogPage,
  type LogStart,
  type LogStream,
  type StopSignal,
} from "@hodei/domain";
import type { Deps } from "./deps.ts";
import { findOwnJob } from "./get-job.ts";
import type { Principal } from "./principal.ts";
import { findEnded, withExpired } from "./read-logs.ts";

/** Bytes read from the store at a time: what one tail holds in memory. */
const READ_BYTES = 512 * 1024;
/** A lossy tail that is further behind than the first goes on at the second, counted back from the end. */
const LAG_BYTES_MAX = 8 * 1024 * 1024;
const LAG_BYTES_KEPT = 256 * 1024;

export interface TailLogsInput {
  readonly jobId: JobId;
  /** 0: every attempt, one after another. */
  readonly attempt: number;
  /**
   * Without an attempt: an offset is of the first one, lines are of the latest, and a time leads to the first that had not
   * ended by then.
   */
  readonly start: LogStart;
  /** `null`: both. */
  readonly stream: LogStream | null;
  /** Goes on until the job, or the one attempt, has ended. */
  readonly follow: boolean;
  /** Skips what lies more than 8 MiB back: for who watches, not for who copies. */
  readonly lossy: boolean;
}

export interface LogsTailed {
  readonly attempt: number;
  /** Newlines of the attempt's log before the chunks, of the streams asked for; `null` but for its first chunks. */
  readonly linesBefore: number | null;
  readonly chunks: readonly LogChunk[];
}

type TailDeps = Pick<Deps, "database" | "logs" | "signals" | "settings" | "clock">;

/**
 * History, then what comes. History and live are one read loop over offsets, so there is no seam at which a byte could be
 * lost or doubled; a slow reader holds up nobody. What was left out of the log, or skipped, comes as a chunk that says so.
 * @throws PlatformError `not_found`
 */
export async function* tailLogs(
  deps: TailDeps,
  principal: Principal,
  input: TailLogsInput,
  stop: StopSignal,
): AsyncGenerator<LogsTailed> {
  const { jobId } = input;
  const wakeup = deps.signals.subscribe([`log:${jobId}`, `job:${jobId}`]);
  try {
    let position = await startOf(deps, principal, input);
    // Asked only when nothing came, and before the next look: what is over then has all of its log stored.
    let state: TailedState | undefined;
    while (!stop.aborted) {
      const { attempt, offset, linesBefore } = position;
      const page = await readOn(deps, input, position);
      const { chunks, nextOffset } = withExpired(page, state?.ended, input.stream);
      if (chunks.length > 0) {
        yield { attempt, chunks, linesBefore };
        position = { ...position, linesBefore: null };
      }
      position = { ...position, offset: nextOffset };
      if (nextOffset > offset || state === undefined) {
        state =
          nextOffset > offset ? undefined : await stateOf(deps, principal, { jobId, attempt });
        continue;
      }
      const next = attemptAfter(input, attempt, state);
      if (next === "none") return;
      state = undefined;
      if (next === "not_yet") await wakeup.wait(deps.settings.pollIntervalMs, stop);
      else position = { attempt: next, offset: 0, linesBefore: 0 };
    }
  } finally {
    wakeup.close();
  }
}

/** What follows an attempt of which all that is stored was read. */
function attemptAfter(
  input: TailLogsInput,
  attempt: number,
  { job, ended }: TailedState,
): number | "not_yet" | "none" {
  if (input.attempt === 0 && attempt < job.attempt) return attempt + 1;
  const isLast = isTerminal(job.state) || (input.attempt !== 0 && ended !== undefined);
  return isLast || !input.follow ? "none" : "not_yet";
}

interface TailedState {
  readonly job: Job;
  /** The attempt, if it has ended. */
  readonly ended: Attempt | undefined;
}

async function stateOf(
  deps: TailDeps,
  principal: Principal,
  { jobId, attempt }: Pick<TailLogsInput, "jobId" | "attempt">,
): Promise<TailedState> {
  const [job, ended] = await Promise.all([
    findOwnJob(deps, principal, jobId),
    findEnded(deps, jobId, attempt),
  ]);
  return { job, ended };
}

/** What comes at `position`; of a lossy tail, the first chunk may tell what was skipped. */
async function readOn(deps: TailDeps, input: TailLogsInput, position: Position): Promise<LogPage> {
  const { jobId, stream } = input;
  const skipped = input.lossy ? await skip(deps, input, position) : null;
  const offset = skipped === null ? position.offset : chunkEnd(skipped);
  const { attempt } = position;
  const page = await deps.logs.read({ jobId, attempt, offset, maxBytes: READ_BYTES, stream });
  return skipped === null ? page : { ...page, chunks: [skipped, ...page.chunks] };
}

/** What a reader at `position` misses if it is too far behind; else `null`. */
async function skip(
  deps: TailDeps,
  { jobId, stream }: TailLogsInput,
  { attempt, offset }: Position,
): Promise<LogChunk | null> {
  const lengthBytes = (await deps.logs.durableOffset(jobId, attempt)) - LAG_BYTES_KEPT - offset;
  if (lengthBytes <= LAG_BYTES_MAX - LAG_BYTES_KEPT) return null;
  return {
    stream: stream ?? "stdout",
    offset,
    at: deps.clock.now(),
    data: new Uint8Array(0),
    missing: { reason: "skipped", lengthBytes },
  };
}

interface Position {
  readonly attempt: number;
  readonly offset: number;
  /** Until it is told. */
  readonly linesBefore: number | null;
}

async function startOf(
  deps: TailDeps,
  principal: Principal,
  { jobId, stream, start, attempt: given }: TailLogsInput,
): Promise<Position> {
  const job = await findOwnJob(deps, principal, jobId);
  const attempt = given || (await firstAttempt(deps, job, start));
  const { offset, linesBefore } = await deps.logs.findPlace({ jobId, attempt, stream, start });
  return { attempt, offset, linesBefore };
}

async function firstAttempt(deps: TailDeps, job: Job, start: LogStart): Promise<number> {
  switch (start.kind) {
    case "offset":
      return 1;
    case "line":
    case "last_lines":
      return Math.max(1, job.attempt);
    case "time": {
      const attempts = await deps.database.readers.attempts.list(job.id);
      const lasting = attempts.find(
        ({ finishedAt }) => finishedAt === null || finishedAt >= start.at,
      );
      return lasting?.number ?? Math.max(1, job.attempt);
    }
  }
}

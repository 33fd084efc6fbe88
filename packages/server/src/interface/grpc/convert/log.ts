import { create } from "@bufbuild/protobuf";
import {
  type LogBatch,
  type LogChunk,
  type LogSegment,
  type LogStart,
  PlatformError,
  presentBytes,
} from "@hodei/domain";
import {
  LogChunkSchema,
  LogGap,
  type LogChunk as ProtoLogChunk,
  type TailLogsRequest,
} from "@hodei/proto/hodei/v1/log_service";
import {
  LogCompression,
  type LogBatch as ProtoLogBatch,
  type LogSegment as ProtoLogSegment,
} from "@hodei/proto/hodei/v1/worker_service";
import { LOG_COMPRESSIONS, LOG_GAPS, LOG_STREAMS } from "./enums.ts";
import { fromProtoUint64, toProtoUint64 } from "./numbers.ts";
import { fromProtoTime, toProtoTime } from "./times.ts";

/** Data of one batch before its compression, at most: what a worker may make the server hold. */
const BATCH_DATA_BYTES_MAX = 4 * 1024 * 1024;

export function toProtoChunk({ stream, offset, at, data, missing }: LogChunk): ProtoLogChunk {
  return create(LogChunkSchema, {
    stream: LOG_STREAMS.toProto(stream),
    offset: toProtoUint64(offset),
    time: toProtoTime(at),
    data,
    ...(missing !== null && {
      gap: LOG_GAPS.toProto(missing.reason),
      gapBytes: toProtoUint64(missing.lengthBytes),
    }),
  });
}

/**
 * A batch but for the attempt it is of. Whether compressed data is what the segments say is for the store to find out.
 * @throws PlatformError `invalid_argument`
 */
export function fromProtoBatch(batch: ProtoLogBatch): Omit<LogBatch, "ref"> {
  const { offset, data } = batch;
  const segments = batch.segments.map(fromProtoSegment);
  const dataBytes = presentBytes(segments);
  const compression =
    batch.compression === LogCompression.UNSPECIFIED
      ? "none"
      : LOG_COMPRESSIONS.fromProto(batch.compression);
  if (dataBytes > BATCH_DATA_BYTES_MAX) {
    throw invalid(`log_batch.segments: must be ${BATCH_DATA_BYTES_MAX} bytes at most`);
  }
  if (compression === "none" && dataBytes !== data.byteLength) {
    throw invalid(
      `log_batch.segments: describe ${dataBytes} bytes, but data has ${data.byteLength}`,
    );
  }
  return {
    offset: fromProtoUint64("log_batch.offset", offset),
    data,
    compression,
    segments,
  };
}

function fromProtoSegment({ stream, length, time, gap }: ProtoLogSegment): LogSegment {
  if (time === undefined) throw invalid("log_batch.segments.time: must be given");
  return {
    stream: LOG_STREAMS.fromProto(stream),
    lengthBytes: length,
    at: fromProtoTime("log_batch.segments.time", time),
    gap: fromProtoGap(gap),
  };
}

function fromProtoGap(gap: LogGap): LogSegment["gap"] {
  if (gap === LogGap.UNSPECIFIED) return null;
  const reason = LOG_GAPS.fromProto(gap);
  if (reason === "dropped" || reason === "limit") return reason;
  throw invalid(`log_batch.segments.gap: ${reason}: a worker only drops, or stops at a limit`);
}

type StartFields = Pick<TailLogsRequest, "offset" | "line" | "since"> & {
  readonly tailLines?: number | undefined;
};

/** The one of the ways to say where to start that was taken; the offset 0 is none. */
export function fromProtoStart({ offset, line, since, tailLines }: StartFields): LogStart {
  const starts: LogStart[] = [];
  if (offset > 0n) starts.push({ kind: "offset", offset: fromProtoUint64("offset", offset) });
  if (line !== undefined) starts.push({ kind: "line", number: fromProtoUint64("line", line) });
  if (since !== undefined) starts.push({ kind: "time", at: fromProtoTime("since", since) });
  if (tailLines !== undefined) starts.push({ kind: "last_lines", count: tailLines });
  const [start = { kind: "offset", offset: 0 }] = starts;
  if (starts.length <= 1) return start;
  throw new PlatformError(
    "invalid_argument",
    "several_starts",
    "offset, line, since and tail_lines exclude each other; give one of them",
  );
}

function invalid(message: string): PlatformError {
  return new PlatformError("invalid_argument", "invalid_message", message);
}

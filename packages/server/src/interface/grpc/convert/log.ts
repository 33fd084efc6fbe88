import { create } from "@bufbuild/protobuf";
import type { LogChunk } from "@hodei/domain";
import { LogChunkSchema, type LogChunk as ProtoLogChunk } from "@hodei/proto/hodei/v1/log_service";
import { LOG_STREAMS } from "./enums.ts";
import { toProtoUint64 } from "./numbers.ts";
import { toProtoTime } from "./times.ts";

export function toProtoChunk({ stream, offset, at, data }: LogChunk): ProtoLogChunk {
  return create(LogChunkSchema, {
    stream: LOG_STREAMS.toProto(stream),
    offset: toProtoUint64(offset),
    time: toProtoTime(at),
    data,
  });
}

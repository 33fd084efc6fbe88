import type { ServiceImpl } from "@connectrpc/connect";
import { parseJobId } from "@hodei/domain";
import type { LogService } from "@hodei/proto/hodei/v1/log_service";
import { type Deps, readLogs, tailLogs } from "../../application/index.ts";
import { getPrincipal } from "./authenticate.ts";
import { fromProtoStreamChoice } from "./convert/enums.ts";
import { fromProtoStart, toProtoChunk } from "./convert/log.ts";
import { toProtoUint64 } from "./convert/numbers.ts";

/** Bytes of one answer when the caller does not say. */
const DEFAULT_READ_BYTES = 1024 * 1024;

export function logService(deps: Deps): ServiceImpl<typeof LogService> {
  return {
    async getLogs(request, context) {
      const read = await readLogs(deps, getPrincipal(context), {
        jobId: parseJobId(request.jobId),
        attempt: request.attempt,
        start: fromProtoStart(request),
        maxBytes: request.maxBytes || DEFAULT_READ_BYTES,
        stream: fromProtoStreamChoice(request.stream),
      });
      return {
        attempt: read.attempt,
        chunks: read.chunks.map(toProtoChunk),
        nextOffset: toProtoUint64(read.nextOffset),
        complete: read.complete,
        linesBefore: toProtoUint64(read.linesBefore),
      };
    },
    async *tailLogs(request, context) {
      const input = {
        jobId: parseJobId(request.jobId),
        attempt: request.attempt,
        start: fromProtoStart(request),
        stream: fromProtoStreamChoice(request.stream),
        follow: request.follow,
        lossy: request.lossy,
      };
      const tail = tailLogs(deps, getPrincipal(context), input, context.signal);
      for await (const { attempt, chunks, linesBefore } of tail) {
        yield {
          attempt,
          chunks: chunks.map(toProtoChunk),
          ...(linesBefore !== null && { linesBefore: toProtoUint64(linesBefore) }),
        };
      }
    },
  };
}

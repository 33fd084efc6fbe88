import { create, type JsonObject } from "@bufbuild/protobuf";
import type { StoredEvent } from "@hodei/domain";
import {
  EventSchema,
  type Event as ProtoEvent,
  type EventFilter as ProtoEventFilter,
} from "@hodei/proto/hodei/v1/event_service";
import type { OwnEventFilter } from "../../../application/index.ts";
import { toProtoUint64 } from "./numbers.ts";
import { toProtoTime } from "./times.ts";

export function toProtoEvent(event: StoredEvent): ProtoEvent {
  return create(EventSchema, {
    cursor: event.cursor,
    tenantId: event.tenantId,
    subjectType: event.subjectType,
    subjectId: event.subjectId,
    version: toProtoUint64(event.version),
    type: event.type,
    time: toProtoTime(event.at),
    correlationId: event.correlationId,
    causedBy: event.causedBy,
    data: toJson(event.data),
  });
}

/** What is not set does not narrow. */
export function fromProtoEventFilter(filter: ProtoEventFilter | undefined): OwnEventFilter {
  if (filter === undefined) return {};
  const { subjectId, types } = filter;
  return {
    ...(subjectId !== "" && { subjectId }),
    ...(types.length > 0 && { types }),
  };
}

/** Event data is JSON by contract, but may hold instants as `Date` until it has been through a database. */
function toJson(data: StoredEvent["data"]): JsonObject {
  return JSON.parse(JSON.stringify(data)) as JsonObject;
}

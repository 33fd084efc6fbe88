import type { MessageInitShape } from "@bufbuild/protobuf";
import type {
  Event,
  WatchEventsRequestSchema,
  WatchEventsResponse,
} from "@hodei/proto/hodei/v1/event_service";
import type { HodeiClient } from "./client.ts";
import { HodeiError } from "./errors.ts";
import { reopening, type StreamOptions } from "./reopening.ts";

/**
 * Every event after the cursor of `request`, then what comes, without end. Outlives broken connections: it goes on
 * behind the last event that came. Without a cursor, events between the call and its first event may be missed.
 * @throws HodeiError `unavailable` once the server has been gone for the limit; `cancelled`.
 */
export async function* watchEvents(
  client: Pick<HodeiClient, "events">,
  request: Omit<MessageInitShape<typeof WatchEventsRequestSchema>, "$typeName">,
  options: StreamOptions = {},
): AsyncGenerator<Event> {
  let cursor = request.cursor ?? "";
  async function* open(signal: AbortSignal): AsyncGenerator<WatchEventsResponse> {
    yield* client.events.watchEvents({ ...request, cursor }, { signal });
    throw new HodeiError("unavailable", "connection_lost", "the server ended the watch early");
  }
  for await (const { event } of reopening(open, options)) {
    if (event === undefined) continue;
    cursor = event.cursor;
    yield event;
  }
}

import type { ServiceImpl } from "@connectrpc/connect";
import type { EventService } from "@hodei/proto/hodei/v1/event_service";
import { type Deps, listEvents, watchEvents } from "../../application/index.ts";
import { getPrincipal } from "./authenticate.ts";
import { fromProtoEventFilter, toProtoEvent } from "./convert/event.ts";
import { fromProtoPageSize } from "./convert/page.ts";

export function eventService(deps: Deps): ServiceImpl<typeof EventService> {
  return {
    async listEvents(request, context) {
      const filter = fromProtoEventFilter(request.filter);
      const page = { after: request.cursor, limit: fromProtoPageSize(request.pageSize) };
      const { events, nextCursor } = await listEvents(deps, getPrincipal(context), filter, page);
      return { events: events.map(toProtoEvent), nextCursor };
    },
    async *watchEvents(request, context) {
      const wanted = { filter: fromProtoEventFilter(request.filter), after: request.cursor };
      const events = watchEvents(deps, getPrincipal(context), wanted, context.signal);
      for await (const event of events) yield { event: toProtoEvent(event) };
    },
  };
}

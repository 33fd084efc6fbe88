import type { ServiceImpl } from "@connectrpc/connect";
import type { EventService } from "@hodei/proto/hodei/v1/event_service";
import {
  type Deps,
  discardDeadLetters,
  listDeadLetters,
  listEvents,
  replayDeadLetters,
  watchEvents,
} from "../../application/index.ts";
import { getPrincipal } from "./authenticate.ts";
import { fromProtoDeadLetterChoice, toProtoDeadLetter } from "./convert/dead-letter.ts";
import { fromProtoEventFilter, toProtoEvent } from "./convert/event.ts";
import { fromProtoPage, fromProtoPageSize } from "./convert/page.ts";

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
    async listDeadLetters(request, context) {
      const page = await listDeadLetters(deps, getPrincipal(context), fromProtoPage(request));
      return {
        deadLetters: page.items.map(toProtoDeadLetter),
        nextPageToken: page.nextToken ?? "",
      };
    },
    async replayDeadLetters({ choice }, context) {
      const keys = fromProtoDeadLetterChoice(choice);
      return { count: await replayDeadLetters(deps, getPrincipal(context), keys) };
    },
    async discardDeadLetters({ choice }, context) {
      const keys = fromProtoDeadLetterChoice(choice);
      return { count: await discardDeadLetters(deps, getPrincipal(context), keys) };
    },
  };
}

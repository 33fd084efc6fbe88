import assert from "node:assert/strict";
import { test } from "node:test";
import { Code, ConnectError, createRouterTransport } from "@connectrpc/connect";
import { EventService } from "@hodei/proto/hodei/v1/event_service";
import { createClientOver } from "./client.ts";
import { watchEvents } from "./watch-events.ts";

test("a watch that breaks goes on behind the last event", async () => {
  const cursors: string[] = [];
  const client = createClientOver(
    createRouterTransport((router) =>
      router.service(EventService, {
        async *watchEvents({ cursor }) {
          cursors.push(cursor);
          const next = Number(cursor || "0") + 1;
          yield { event: { cursor: `${next}`, type: "job.created" } };
          if (next < 3) throw new ConnectError("restarting", Code.Unavailable);
          yield { event: { cursor: `${next + 1}`, type: "job.succeeded" } };
        },
      }),
    ),
  );
  const seen: string[] = [];
  for await (const event of watchEvents(client, {})) {
    seen.push(`${event.cursor} ${event.type}`);
    if (event.type === "job.succeeded") break;
  }
  assert.deepEqual(seen, ["1 job.created", "2 job.created", "3 job.created", "4 job.succeeded"]);
  assert.deepEqual(cursors, ["", "1", "2"]);
});

import assert from "node:assert/strict";
import { test } from "node:test";
import { create } from "@bufbuild/protobuf";
import {
  type DeadLetterChoice,
  DeadLetterSchema,
  EventService,
} from "@hodei/proto/hodei/v1/event_service";
import { createInProcessClient } from "@hodei/sdk";
import { runCli } from "../run-cli.ts";
import { fakeContext } from "../testing/fake-context.ts";

const LETTER = create(DeadLetterSchema, {
  key: { subscription: "webhook", cursor: "00-01" },
  event: { type: "job.failed", subjectId: "j1" },
  error: "answered HTTP 500",
  failures: 15,
});

async function deadLetters(...args: string[]) {
  const chosen: [string, DeadLetterChoice | undefined][] = [];
  const client = createInProcessClient((router) => {
    router.service(EventService, {
      listDeadLetters: ({ pageToken }) =>
        pageToken === ""
          ? { deadLetters: [LETTER], nextPageToken: "more" }
          : { deadLetters: [LETTER] },
      replayDeadLetters: ({ choice }) => {
        chosen.push(["replay", choice]);
        return { count: 2 };
      },
      discardDeadLetters: ({ choice }) => {
        chosen.push(["discard", choice]);
        return { count: 1 };
      },
    });
  });
  const context = fakeContext(client);
  await runCli(["events", "dead-letters", ...args], context);
  return {
    context,
    chosen: chosen.map(([name, choice]) => [
      name,
      choice?.all,
      choice?.keys.map(({ cursor }) => cursor),
    ]),
  };
}

test("dead letters are listed with ids and reasons, to the limit", async () => {
  const { context } = await deadLetters("list");
  const [, first, second] = context.stdout.text.split("\n");
  assert.match(first ?? "", /^webhook\/00-01 +job\.failed +j1 +15 +answered HTTP 500$/);
  assert.equal(second, first);
  const limited = await deadLetters("list", "--limit", "1", "-o", "json");
  assert.equal(JSON.parse(limited.context.stdout.text).length, 1);
  assert.match(limited.context.stderr.text, /more than 1/);
});

test("those that are named, or all, are replayed or discarded", async () => {
  const { context, chosen } = await deadLetters("replay", "webhook/00-01", "webhook/00-02");
  assert.deepEqual(chosen, [["replay", false, ["00-01", "00-02"]]]);
  assert.equal(context.stdout.text, "2 to be delivered anew\n");
  const all = await deadLetters("discard", "--all");
  assert.deepEqual(all.chosen, [["discard", true, []]]);
  assert.equal(all.context.stdout.text, "1 forgotten\n");
});

test("nothing chosen, both, or no id are wrong usage", async () => {
  for (const args of [["replay"], ["discard", "--all", "webhook/1"], ["replay", "nonsense"]]) {
    const { context, chosen } = await deadLetters(...args);
    assert.equal(context.exitCode, 2, args.join(" "));
    assert.deepEqual(chosen, []);
  }
});

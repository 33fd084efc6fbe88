import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { jobEventRecords } from "@hodei/domain";
import { aJob, START } from "@hodei/testkit";
import { webhookSubscriptions } from "./webhook-subscription.ts";

test("without an address nobody is told; with one, the event goes there as the API shows it", async (context) => {
  const none = { webhookUrl: undefined, webhookKeyFile: undefined, webhookTypes: [] };
  assert.deepEqual(await webhookSubscriptions(none), []);
  const bodies: string[] = [];
  const server = createServer(async (request, response) => {
    for await (const chunk of request) bodies.push(String(chunk));
    response.end();
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  context.after(() => server.close());
  const webhookUrl = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
  const [webhook] = await webhookSubscriptions({
    ...none,
    webhookUrl,
    webhookTypes: ["job.started"],
  });
  assert.deepEqual(webhook?.types, ["job.started"]);
  const [record] = jobEventRecords(aJob({ version: 3 }), [{ type: "started", at: START }]);
  assert.ok(record);
  await webhook?.deliver({ ...record, cursor: "c1" }, new AbortController().signal);
  const { type, version, subjectId, causedBy } = JSON.parse(bodies.join(""));
  assert.deepEqual(
    [type, version, subjectId, causedBy],
    ["job.started", "3", aJob().id, `job/${aJob().id}/2`],
  );
});

test("a key that cannot be read, or is too short, stops the start", async (context) => {
  const folder = await mkdtemp(join(tmpdir(), "hodei-webhook-"));
  context.after(() => rm(folder, { recursive: true }));
  const options = { webhookUrl: "http://127.0.0.1:9/", webhookTypes: [] };
  const refused = { code: "invalid_argument", reason: "invalid_config" };
  const webhookKeyFile = join(folder, "key");
  await assert.rejects(webhookSubscriptions({ ...options, webhookKeyFile }), refused);
  await writeFile(webhookKeyFile, "short\n");
  await assert.rejects(webhookSubscriptions({ ...options, webhookKeyFile }), refused);
});

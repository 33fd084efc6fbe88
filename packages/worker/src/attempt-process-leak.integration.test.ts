import assert from "node:assert/strict";
import { readdirSync } from "node:fs";
import process from "node:process";
import { after, test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { AttemptFixture, specOf } from "../test/attempt-fixture.ts";

const openFiles = (): number => readdirSync("/proc/self/fd").length;

test("limits that the kernel refuses leave neither descriptors nor groups behind", async (context) => {
  const fixture = await AttemptFixture.create(process.env);
  after(() => fixture.remove());
  await fixture.run(specOf(["true"]));
  await delay(300);
  const before = openFiles();
  const tooLittle = specOf(["true"], { memoryBytes: 4096 });
  for (let count = 0; count < 10; count += 1) {
    const { outcome } = await fixture.run(tooLittle);
    if (outcome.reason !== "spawn_failed") {
      context.skip(`no memory limits here: ${outcome.reason}`);
      return;
    }
  }
  await delay(500);
  assert.ok(openFiles() - before < 4, `${openFiles() - before} descriptors more after 10 attempts`);
});

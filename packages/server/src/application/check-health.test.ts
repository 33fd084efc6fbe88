import assert from "node:assert/strict";
import { test } from "node:test";
import { PlatformError } from "@hodei/domain";
import { checkHealth } from "./check-health.ts";
import { testDeps } from "./fixtures.test.ts";

function deps(list: () => Promise<never[]>) {
  const { clock, database } = testDeps();
  const replicas = { list };
  return { clock, database: { ...database, readers: { ...database.readers, replicas } } };
}

async function check(parts: ReturnType<typeof deps>): Promise<string> {
  let told = "nothing";
  const checking = checkHealth(parts as never, (status) => {
    told = status;
  });
  await new Promise(setImmediate);
  parts.clock.advance(3_000);
  await checking;
  return told;
}

test("a server serves while its calls are answered", async () => {
  assert.equal(await check(deps(async () => [])), "serving");
});

test("it does not while they fail, or wait for too long", async () => {
  const away = new PlatformError("unavailable", "database_unreachable", "away");
  assert.equal(await check(deps(() => Promise.reject(away))), "not_serving");
  assert.equal(await check(deps(() => new Promise(() => undefined))), "not_serving");
});

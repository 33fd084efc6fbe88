import assert from "node:assert/strict";
import { test } from "node:test";
import { FencedDatabase, LEADERSHIP_NAME } from "./fenced-database.ts";
import { testDeps } from "./fixtures.test.ts";

const NOT_LEADING = { code: "conflict", reason: "not_leading" };

/** Two replicas that take turns in leading, as they believe themselves. */
function setUp() {
  const deps = testDeps();
  const begin = () => deps.database.transact(({ leadership }) => leadership.begin(LEADERSHIP_NAME));
  const believed: { epoch: number | undefined } = { epoch: undefined };
  const fenced = new FencedDatabase(deps.database, { epoch: () => believed.epoch });
  const write = () =>
    fenced.transact(({ replicas }) => replicas.renew(deps.replicaId, deps.clock.now()));
  const isWritten = async () => (await deps.database.readers.replicas.list()).length === 1;
  return { begin, believed, fenced, write, isWritten };
}

test("a replica that does not lead has no turn", async () => {
  const { begin, believed, fenced, write, isWritten } = setUp();
  assert.equal(fenced.beginTurn(), false);
  believed.epoch = await begin();
  assert.equal(fenced.beginTurn(), true);
  await write();
  assert.equal(await isWritten(), true);
});

test("what a turn decided is not stored once another leads", async () => {
  const { begin, believed, fenced, write, isWritten } = setUp();
  believed.epoch = await begin();
  fenced.beginTurn();
  await begin();
  await assert.rejects(write(), NOT_LEADING);
  assert.equal(await isWritten(), false);
});

test("a turn keeps the epoch in which it began, even if its replica leads again", async () => {
  const { begin, believed, fenced, write, isWritten } = setUp();
  believed.epoch = await begin();
  fenced.beginTurn();
  await begin();
  believed.epoch = await begin();
  await assert.rejects(write(), NOT_LEADING);
  assert.equal(await isWritten(), false);
  fenced.beginTurn();
  await write();
  assert.equal(await isWritten(), true);
});

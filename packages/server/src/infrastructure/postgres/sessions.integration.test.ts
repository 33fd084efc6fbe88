import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { after, before, type TestContext, test } from "node:test";
import { isPlatformError, type PlatformError } from "@hodei/domain";
import { startTestPostgres, type TestPostgres, waitFor } from "@hodei/testkit";
import pg from "pg";
import { PostgresLeadership } from "./leadership.ts";
import { PostgresNotifier } from "./notifier.ts";

let postgres: TestPostgres;
let url: string;
let client: pg.Client;

before(async () => {
  postgres = await startTestPostgres();
  ({ url } = await postgres.createDatabase());
  client = new pg.Client({ connectionString: url });
  await client.connect();
});

after(async () => {
  await client.end();
  await postgres.stop();
});

/** Ends every connection but our own, as a restart of the server would. */
async function cutConnections(): Promise<void> {
  await client.query(`
    select pg_terminate_backend(pid) from pg_stat_activity
    where datname = current_database() and pid <> pg_backend_pid()`);
}

function createNotifier(context: TestContext) {
  const troubles: PlatformError[] = [];
  const notifier = new PostgresNotifier({ address: url, onTrouble: (e) => troubles.push(e) });
  context.after(() => notifier.stop());
  let wakeCount = 0;
  notifier.onNotify(() => {
    wakeCount += 1;
  });
  return { notifier, troubles, wakes: () => wakeCount };
}

test("a notification wakes the others and not its sender", async (context) => {
  const [a, b] = [createNotifier(context), createNotifier(context)];
  await Promise.all([a.notifier.start(), b.notifier.start()]);
  await waitFor(() => a.wakes() === 1 && b.wakes() === 1, {
    what: "the catch-up after connecting",
  });
  a.notifier.notify();
  await waitFor(() => b.wakes() === 2);
  b.notifier.notify();
  await waitFor(() => a.wakes() === 2);
  assert.equal(b.wakes(), 2);
  assert.deepEqual([a.troubles, b.troubles], [[], []]);
});

test("many commits make few notifications, and the last is not lost", async (context) => {
  const [a, b] = [createNotifier(context), createNotifier(context)];
  await Promise.all([a.notifier.start(), b.notifier.start()]);
  await waitFor(() => b.wakes() === 1);
  const startedAt = performance.now();
  while (performance.now() - startedAt < 100) {
    a.notifier.notify();
    await new Promise(setImmediate);
  }
  await waitFor(() => b.wakes() >= 3);
  const tookMs = performance.now() - startedAt;
  assert.ok(b.wakes() - 1 <= tookMs / 20 + 2, `${b.wakes()} in ${tookMs} ms`);
});

test("a lost connection comes back, listens again and catches up", async (context) => {
  const [a, b] = [createNotifier(context), createNotifier(context)];
  await Promise.all([a.notifier.start(), b.notifier.start()]);
  await waitFor(() => a.wakes() === 1 && b.wakes() === 1);
  await cutConnections();
  await waitFor(() => a.wakes() >= 2 && b.wakes() >= 2, { what: "the catch-up" });
  const before = b.wakes();
  a.notifier.notify();
  await waitFor(() => b.wakes() > before);
  assert.equal(a.troubles.length, 1);
  assert.ok(isPlatformError(a.troubles[0], "unavailable"));
});

test("without a server a notifier starts, says so and stops", async () => {
  const troubles: PlatformError[] = [];
  const notifier = new PostgresNotifier({
    address: { host: "/nowhere", port: 1, database: "d", user: "u" },
    onTrouble: (error) => troubles.push(error),
  });
  await notifier.start();
  notifier.notify();
  await waitFor(() => troubles.length >= 2);
  assert.ok(troubles.every((error) => isPlatformError(error, "unavailable")));
  await notifier.stop();
  await notifier.stop();
});

function createLeadership(context: TestContext, name: string, onHeld = () => {}) {
  const leadership = new PostgresLeadership({
    address: url,
    name,
    onHeld,
    onTrouble: () => undefined,
  });
  context.after(() => leadership.stop());
  return leadership;
}

test("one leads; when it stops another takes over", async (context) => {
  const candidates = [1, 2, 3].map(() => createLeadership(context, "scheduler"));
  const other = createLeadership(context, "another");
  const leaders = () => candidates.filter((candidate) => candidate.epoch() !== undefined);
  await Promise.all([...candidates, other].map((candidate) => candidate.start()));
  await waitFor(() => leaders().length === 1);
  await waitFor(() => other.epoch() !== undefined, { what: "the leader of something else" });
  const [first] = leaders();
  await first?.stop();
  assert.equal(first?.epoch(), undefined);
  await waitFor(() => leaders().length === 1);
  assert.notEqual(leaders()[0], first);
  await Promise.all(candidates.map((candidate) => candidate.stop()));
  assert.equal(leaders().length, 0);
});

test("who loses the connection leads no more, until it has the lock again", async (context) => {
  let heldCount = 0;
  const leadership = createLeadership(context, "lonely", () => {
    heldCount += 1;
  });
  assert.equal(leadership.epoch(), undefined);
  await leadership.start();
  await waitFor(() => leadership.epoch() === 1);
  await cutConnections();
  await waitFor(() => heldCount === 2 && leadership.epoch() === 2);
});

test("a leader whose process sleeps loses the lead to one that is awake", async (context) => {
  const module = new URL("./leadership.ts", import.meta.url).href;
  const program = `
    const { PostgresLeadership } = await import(${JSON.stringify(module)});
    const onHeld = () => process.stdout.write("leads");
    const address = ${JSON.stringify(url)};
    await new PostgresLeadership({ address, name: "asleep", onHeld, onTrouble: () => {} }).start();`;
  const args = [...process.execArgv, "--input-type=module", "-e", program];
  const sleeper = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "inherit"] });
  context.after(() => sleeper.kill("SIGKILL"));
  await once(sleeper.stdout, "data");
  const awake = createLeadership(context, "asleep");
  await awake.start();
  assert.equal(awake.epoch(), undefined);
  sleeper.kill("SIGSTOP");
  await waitFor(() => awake.epoch() === 2, { timeoutMs: 15_000, what: "the lead" });
});

test("a leadership that is stopped before it was started never leads", async (context) => {
  const leadership = createLeadership(context, "early");
  await leadership.stop();
  await leadership.start();
  assert.equal(leadership.epoch(), undefined);
});

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { zstdCompressSync } from "node:zlib";
import type { AttemptRef, LogBatch, LogStart } from "@hodei/domain";
import {
  anAttempt,
  logStoreContract,
  ManualClock,
  putAttempt,
  startTestPostgres,
  type TestPostgres,
} from "@hodei/testkit";
import { newLogStore } from "./log-store-fixtures.test.ts";
import { PostgresDatabase } from "./postgres-database.ts";

let postgres: TestPostgres;
before(async () => {
  postgres = await startTestPostgres();
});
after(() => postgres.stop());

async function open() {
  const { url, drop } = await postgres.createDatabase();
  const database = new PostgresDatabase({ address: url, onCommit: () => undefined });
  const stores = [newLogStore(url)];
  const reopen = () => {
    const store = newLogStore(url, { connectionsMax: 2 });
    stores.push(store);
    return store;
  };
  const close = async () => {
    await Promise.all(stores.map((store) => store.stop()));
    await database.stop();
    await drop();
  };
  return { logs: stores[0] ?? reopen(), database, reopen, close, url };
}

logStoreContract("PostgresLogStore", open);

/** Generous: a scan of the log takes longer on an idle machine. */
const FIND_LIMIT_MS = 1_000;

test("any line of five million empty ones is found at once", async (context) => {
  const { logs, database, close } = await open();
  context.after(close);
  const { jobId, number, leaseToken } = anAttempt();
  await putAttempt(database, anAttempt());
  const lineCount = 5_000_000;
  await logs.append(emptyLines({ jobId, attempt: number, leaseToken }, lineCount));
  const find = async (start: LogStart) => {
    const startedAtMs = performance.now();
    const place = await logs.findPlace({ jobId, attempt: number, stream: "stdout", start });
    assert.ok(performance.now() - startedAtMs < FIND_LIMIT_MS);
    return place;
  };
  for (const line of [1, 2, 1_234_567, lineCount, lineCount + 1]) {
    const place = { offset: line - 1, linesBefore: line - 1 };
    assert.deepEqual(await find({ kind: "line", number: line }), place);
    assert.deepEqual(await find({ kind: "last_lines", count: lineCount - line + 1 }), place);
  }
});

test("beyond the limit of its tenant for the day a log is missing, counted, until the next day", async (context) => {
  const { logs, database, url, close } = await open();
  context.after(close);
  await putAttempt(database, anAttempt());
  const { jobId, number: attempt, leaseToken, tenantId } = anAttempt();
  const clock = new ManualClock();
  const told: string[] = [];
  const onTenantLimit = (id: string) => void told.push(id);
  const limited = newLogStore(url, { clock, tenantBytesPerDay: 10, onTenantLimit });
  context.after(() => limited.stop());
  const append = async (offset: number, text: string) => {
    const data = Buffer.from(text);
    const run = { lengthBytes: data.length / 2, at: clock.now(), gap: null };
    const segments = [
      { ...run, stream: "stdout" },
      { ...run, stream: "stderr" },
    ] as const;
    const ref = { jobId, attempt, leaseToken };
    const batch = { ref, offset, data, compression: "none", segments } as const;
    assert.deepEqual(await limited.append([batch]), [
      { kind: "stored", durableOffset: offset + data.length },
    ]);
  };
  await append(0, "a\nb\nc\n");
  await append(6, "d\ne\nf\n");
  await append(12, "gh\n\n");
  await append(16, "xx");
  await clock.advance(86_400_000);
  await append(18, "i\nj\nk\n");
  const range = { jobId, attempt, offset: 0, maxBytes: 1_000, stream: null };
  const { chunks } = await logs.read(range);
  const shown = chunks.map(({ data, missing }) => missing ?? Buffer.from(data).toString());
  const missing = { reason: "tenant_limit", lengthBytes: 3 };
  assert.deepEqual(shown.slice(0, 5), ["a\nb", "\nc\n", missing, missing, "gh"]);
  assert.deepEqual(shown.slice(-4), [
    { ...missing, lengthBytes: 1 },
    { ...missing, lengthBytes: 1 },
    "i\nj",
    "\nk\n",
  ]);
  const place = await logs.findPlace({
    jobId,
    attempt,
    stream: null,
    start: { kind: "line", number: 6 },
  });
  assert.deepEqual(place, { offset: 16, linesBefore: 5 });
  assert.deepEqual(told, [tenantId]);
});

/** As a worker sends them. */
function emptyLines(ref: AttemptRef, count: number): LogBatch[] {
  const sizeBytes = 65_536;
  const batches: LogBatch[] = [];
  for (let offset = 0; offset < count; offset += sizeBytes) {
    const lengthBytes = Math.min(sizeBytes, count - offset);
    const segment = { stream: "stdout", lengthBytes, at: new Date(offset), gap: null } as const;
    const data = zstdCompressSync(Buffer.alloc(lengthBytes, "\n"));
    batches.push({ ref, offset, data, compression: "zstd", segments: [segment] });
  }
  return batches;
}

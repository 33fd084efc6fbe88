import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { zstdCompressSync } from "node:zlib";
import type { AttemptRef, LogBatch, LogStart } from "@hodei/domain";
import {
  anAttempt,
  logStoreContract,
  putAttempt,
  startTestPostgres,
  type TestPostgres,
} from "@hodei/testkit";
import { PostgresLogStore } from "./log-store.ts";
import { PostgresDatabase } from "./postgres-database.ts";

let postgres: TestPostgres;
before(async () => {
  postgres = await startTestPostgres();
});
after(() => postgres.stop());

async function open() {
  const { url, drop } = await postgres.createDatabase();
  const database = new PostgresDatabase({ address: url, onCommit: () => undefined });
  const stores = [new PostgresLogStore({ address: url })];
  const reopen = () => {
    const store = new PostgresLogStore({ address: url, connectionsMax: 2 });
    stores.push(store);
    return store;
  };
  const close = async () => {
    await Promise.all(stores.map((store) => store.stop()));
    await database.stop();
    await drop();
  };
  return { logs: stores[0] ?? reopen(), database, reopen, close };
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

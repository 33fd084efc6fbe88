import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeEach, test } from "node:test";
import { LogOverflow } from "@hodei/proto/hodei/v1/job";
import { waitFor } from "@hodei/testkit";
import type { ServedAttempt } from "../test/test-server.ts";
import { WorkerFixture } from "../test/worker-fixture.ts";

const MIB = 1024 * 1024;
const TIMEOUT = { timeoutMs: 120_000, intervalMs: 50 };

let fixture: WorkerFixture;
beforeEach(async () => {
  fixture = await WorkerFixture.create(process.env);
});
afterEach(async () => {
  assert.deepEqual(fixture.server.violations, []);
  await fixture.close();
});

const bash = (content: string) => ({ work: { case: "script", value: { content } } }) as const;
const blocking = { logPolicy: { overflow: LogOverflow.BLOCK } } as const;

async function connected(): Promise<void> {
  await waitFor(() => fixture.server.session?.received.length, { what: "a session" });
}

/** Bytes that the worker's spool has on disk. */
async function spoolBytes(): Promise<number> {
  const folder = join(fixture.stateDir, "spool");
  const sizes = (await readdir(folder)).map((name) =>
    stat(join(folder, name)).then(
      ({ size }) => size,
      () => 0, // It was acked meanwhile.
    ),
  );
  return (await Promise.all(sizes)).reduce((sum, size) => sum + size, 0);
}

/** Waits for the results of `attempts`; resolves to the most that the spool had meanwhile. */
async function resultsOf(attempts: readonly ServedAttempt[]): Promise<number> {
  let largestBytes = 0;
  await waitFor(async () => {
    largestBytes = Math.max(largestBytes, await spoolBytes());
    return attempts.every(({ results }) => results.length > 0);
  }, TIMEOUT);
  return largestBytes;
}

/** sha256 of `part`, `count` times. */
function hashOf(part: Buffer, count: number): string {
  const hash = createHash("sha256");
  for (let index = 0; index < count; index += 1) hash.update(part);
  return hash.digest("hex");
}

test("a gigabyte without a newline is whole, and waits within the bound", async () => {
  await fixture.startWorker({ logSpoolAttemptBytes: 8 * MIB });
  await connected();
  const attempt = fixture.server.assign({ ...bash("head -c 1G /dev/zero"), ...blocking });
  attempt.isKept = false;
  const largestBytes = await resultsOf([attempt]);
  assert.equal(attempt.endOffset, 1024 * MIB);
  assert.equal(attempt.hash.digest("hex"), hashOf(Buffer.alloc(MIB), 1024));
  assert.ok(largestBytes <= 9 * MIB, `${largestBytes} bytes`);
  assert.ok(attempt.wireBytes < 10 * MIB, "zeros are compressed");
});

test("five million empty lines are whole, in few messages", async () => {
  await fixture.startWorker({ logSpoolAttemptBytes: 8 * MIB });
  await connected();
  const attempt = fixture.server.assign({ ...bash("yes '' | head -n 5000000"), ...blocking });
  attempt.isKept = false;
  await resultsOf([attempt]);
  assert.equal(attempt.hash.digest("hex"), hashOf(Buffer.alloc(100_000, "\n"), 50));
  assert.ok(attempt.batchCount < 5_000, `${attempt.batchCount} batches`);
});

test("two hundred jobs at once share the connection; each log is whole", async () => {
  await fixture.startWorker({ logSpoolBytes: 32 * MIB });
  await connected();
  const attempts = Array.from({ length: 200 }, (_, index) =>
    fixture.server.assign({ ...bash(`yes ${index} | head -c 100000`), ...blocking }),
  );
  await resultsOf(attempts);
  for (const [index, attempt] of attempts.entries()) {
    const line = `${index}\n`;
    const expected = line.repeat(Math.ceil(100_000 / line.length)).slice(0, 100_000);
    assert.equal(attempt.log.toString(), expected);
  }
  const { heartbeatCount = 0 } = fixture.server.session ?? {};
  assert.ok(heartbeatCount > 0);
});

test("in an outage output is dropped at the bound, counted, and the job goes on", async () => {
  await fixture.startWorker({ logSpoolAttemptBytes: 65_536 });
  await connected();
  fixture.server.isAcking = false;
  const marker = "done after the flood";
  const attempt = fixture.server.assign(bash(`head -c 3000000 /dev/zero; echo; echo ${marker}`));
  await waitFor(() => fixture.hasLogged("attempt.ended"), TIMEOUT);
  fixture.server.isAcking = true;
  fixture.server.ackAll();
  await resultsOf([attempt]);
  const { missing, log, results } = attempt;
  assert.ok(missing.dropped > 2_000_000 && missing.gapCount > 0);
  assert.equal(log.length + missing.dropped, 3_000_000 + 2 + marker.length);
  assert.equal(results[0]?.logBytes, BigInt(log.length + missing.dropped));
  await waitFor(() =>
    fixture.server.session?.received.some(
      ({ message }) =>
        message.case === "heartbeat" && Number(message.value.droppedLogBytes) === missing.dropped,
    ),
  );
});

const limits = [
  { whose: "its own", settings: {}, logPolicy: { maxBytes: 10_000n } },
  { whose: "its worker's", settings: { logAttemptBytes: 10_000 }, logPolicy: {} },
];
for (const { whose, settings, logPolicy } of limits) {
  test(`at ${whose} limit a log ends with a mark, and the job goes on`, async () => {
    await fixture.startWorker(settings);
    await connected();
    const spec = { ...bash("head -c 100000 /dev/zero; exit 4"), logPolicy };
    const attempt = fixture.server.assign(spec);
    await resultsOf([attempt]);
    assert.equal(attempt.log.length, 10_000);
    assert.equal(attempt.missing.limit, 90_000);
    assert.equal(attempt.results[0]?.outcome?.exitCode, 4);
  });
}

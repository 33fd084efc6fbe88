import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { applyAttemptEvent, type JobId, type LeaseToken, outcomeOf } from "@hodei/domain";
import { after, anAttempt } from "../builders.ts";
import { SequenceIds } from "../sequence-ids.ts";
import { testGaps } from "./log-store/gaps.ts";
import {
  batchOf,
  compressed,
  everything,
  type LogStoreFixture,
  latin1,
  type Open,
  readStreams,
  readThrough,
  refOf,
} from "./log-store/log-scene.ts";
import { testPlaces } from "./log-store/places.ts";
import { testWholeLog } from "./log-store/whole-log.ts";
import { putAttempt } from "./put-attempt.ts";

/** What every log store promises; `create` makes a fixture of its own for each test. */
export function logStoreContract(name: string, create: () => Promise<LogStoreFixture>): void {
  const open: Open = async (context) => {
    const fixture = await create();
    context.after(() => fixture.close());
    const ids = new SequenceIds(7);
    const attempt = async () => {
      const parts = { jobId: ids.next() as JobId, leaseToken: ids.next() as LeaseToken };
      const assigned = anAttempt(parts);
      const running = applyAttemptEvent(assigned, { type: "started", at: after(1) });
      await putAttempt(fixture.database, running);
      return running;
    };
    return { ...fixture, attempt };
  };

  suite(`log store contract: ${name}`, () => {
    testAppend(open);
    testOrder(open);
    testFence(open);
    testRead(open);
    testPlaces(open);
    testGaps(open);
    testWholeLog(open);
  });
}

function testAppend(open: Open): void {
  test("what was appended is read as it came", async (context) => {
    const { logs, attempt } = await open(context);
    const { jobId, ...rest } = await attempt();
    const ref = refOf({ jobId, ...rest });
    assert.equal(await logs.durableOffset(jobId, 1), 0);
    const batch = batchOf(ref, 0, ["out:one\n", "err:two\n", "out:\0\xff\0\xfe\r"]);
    assert.deepEqual(await logs.append([batch]), [{ kind: "stored", durableOffset: 13 }]);
    assert.equal(await logs.durableOffset(jobId, 1), 13);
    const { chunks, nextOffset } = await logs.read(everything(ref));
    assert.deepEqual(
      chunks.map(({ data, ...chunk }) => ({ ...chunk, text: latin1(data) })),
      [
        { stream: "stdout", offset: 0, at: after(0), missing: null, text: "one\n" },
        { stream: "stderr", offset: 4, at: after(1), missing: null, text: "two\n" },
        { stream: "stdout", offset: 8, at: after(2), missing: null, text: "\0\xff\0\xfe\r" },
      ],
    );
    assert.equal(nextOffset, 13);
  });

  test("a repeat is stored once, and an overlap from where it is new", async (context) => {
    const { logs, attempt } = await open(context);
    const ref = refOf(await attempt());
    await logs.append([batchOf(ref, 0, ["out:abcd", "err:ef"])]);
    const again = [
      batchOf(ref, 0, ["out:abcd", "err:ef"]),
      batchOf(ref, 2, ["out:cd", "err:ef"]),
      batchOf(ref, 1, ["out:bcd", "err:efg", "out:h"]),
      batchOf(ref, 8, []),
    ];
    assert.deepEqual(await logs.append(again), [
      { kind: "stored", durableOffset: 6 },
      { kind: "stored", durableOffset: 6 },
      { kind: "stored", durableOffset: 8 },
      { kind: "stored", durableOffset: 8 },
    ]);
    assert.deepEqual(await readStreams(logs, ref), { both: "abcdefgh", out: "abcdh", err: "efg" });
  });

  test("a batch that would leave a hole is not stored", async (context) => {
    const { logs, attempt } = await open(context);
    const ref = refOf(await attempt());
    const [first, second, third] = [
      batchOf(ref, 0, ["out:ab"]),
      batchOf(ref, 2, ["out:cd"]),
      batchOf(ref, 4, ["out:ef"]),
    ];
    const zero = { kind: "stored", durableOffset: 0 };
    assert.deepEqual(await logs.append([second]), [zero]);
    assert.deepEqual(await logs.append([third, first]), [
      zero,
      { kind: "stored", durableOffset: 2 },
    ]);
    assert.deepEqual((await readStreams(logs, ref)).both, "ab");
    assert.deepEqual(await logs.append([second, third]), [
      { kind: "stored", durableOffset: 4 },
      { kind: "stored", durableOffset: 6 },
    ]);
    assert.deepEqual((await readStreams(logs, ref)).both, "abcdef");
  });

  test("a batch whose segments do not make up its data is refused", async (context) => {
    const { logs, attempt } = await open(context);
    const ref = refOf(await attempt());
    const batch = { ...batchOf(ref, 0, ["out:abc"]), data: new Uint8Array(2) };
    const malformed = { code: "invalid_argument", reason: "malformed_log_batch" };
    await assert.rejects(logs.append([batch]), malformed);
    const tooLong = compressed(batchOf(ref, 0, ["out:abcd"]));
    const { segments } = batch;
    await assert.rejects(logs.append([{ ...tooLong, segments }]), malformed);
    await assert.rejects(logs.append([{ ...batch, compression: "zstd" }]), malformed);
    assert.equal(await logs.durableOffset(ref.jobId, 1), 0);
    assert.deepEqual(await logs.append([]), []);
  });
}

function testOrder(open: Open): void {
  test("appends that wait for none before them are stored in the order in which they were made", async (context) => {
    const { logs, attempt } = await open(context);
    const ref = refOf(await attempt());
    const letters = Array.from("abcdefghijklmnopqrst");
    const answers = await Promise.all(
      letters.map((letter, index) => logs.append([batchOf(ref, index, [`out:${letter}`])])),
    );
    assert.deepEqual(
      answers.map(([answer]) => answer),
      letters.map((_, index) => ({ kind: "stored", durableOffset: index + 1 })),
    );
    assert.equal((await readStreams(logs, ref)).both, letters.join(""));
  });
}

function testFence(open: Open): void {
  test("only the attempt's own lease may append, and only until its end", async (context) => {
    const { logs, database, attempt } = await open(context);
    const running = await attempt();
    const ref = refOf(running);
    const good = batchOf(ref, 0, ["out:good"]);
    const stale = { ...good, ref: { ...ref, leaseToken: new SequenceIds(8).next() as LeaseToken } };
    const later = { ...good, ref: { ...ref, attempt: 2 } };
    const refused = { kind: "refused" };
    assert.deepEqual(await logs.append([stale, later]), [refused, refused]);
    assert.deepEqual(await logs.append([stale, good, later]), [
      refused,
      { kind: "stored", durableOffset: 4 },
      refused,
    ]);
    const over = applyAttemptEvent(running, {
      type: "lost",
      at: after(9),
      outcome: outcomeOf("worker_lost", ""),
      logBytes: 4,
      processesLeft: 0,
      usage: null,
    });
    await putAttempt(database, over);
    assert.deepEqual(await logs.append([batchOf(ref, 4, ["out:late"])]), [refused]);
    assert.deepEqual((await readStreams(logs, ref)).both, "good");
  });

  test("an attempt that has not started may append already", async (context) => {
    const { logs, database } = await open(context);
    const assigned = anAttempt();
    await putAttempt(database, assigned);
    const batch = batchOf(refOf(assigned), 0, ["out:x"]);
    assert.deepEqual(await logs.append([batch]), [{ kind: "stored", durableOffset: 1 }]);
  });

  test("nothing is appended after an end that was committed meanwhile", async (context) => {
    const { logs, database, attempt } = await open(context);
    const running = await attempt();
    const ref = refOf(running);
    const over = applyAttemptEvent(running, {
      type: "succeeded",
      at: after(9),
      outcome: outcomeOf("completed", ""),
      logBytes: 0,
      processesLeft: 0,
      usage: null,
    });
    const ended = database.transact(async ({ jobs }) => {
      await jobs.updateAll([{ job: await jobs.lock(ref.jobId), events: [], attempt: over }]);
      return logs.durableOffset(ref.jobId, ref.attempt);
    });
    const appended = logs.append([batchOf(ref, 0, ["out:x"])]);
    const [atEnd, [result]] = await Promise.all([ended, appended]);
    const stored = result?.kind === "stored" ? result.durableOffset : 0;
    assert.equal(await logs.durableOffset(ref.jobId, ref.attempt), stored);
    assert.ok(stored >= atEnd);
  });
}

function testRead(open: Open): void {
  test("a read stops after about the bytes asked for, and goes on from there", async (context) => {
    const { logs, attempt } = await open(context);
    const ref = refOf(await attempt());
    const parts = Array.from(
      { length: 20 },
      (_, index) => `${index % 3 ? "out" : "err"}:${index}\n`,
    );
    for (const part of parts) {
      await logs.append([batchOf(ref, await logs.durableOffset(ref.jobId, 1), [part])]);
    }
    const whole = parts.map((part) => part.slice(4)).join("");
    const out = parts.flatMap((part) => (part.startsWith("out") ? [part.slice(4)] : [])).join("");
    for (const maxBytes of [0, 1, 3, 7, 1_000]) {
      assert.equal(await readThrough(logs, ref, { maxBytes, stream: null }), whole);
      assert.equal(await readThrough(logs, ref, { maxBytes, stream: "stdout" }), out);
    }
    const { chunks } = await logs.read({ ...everything(ref), offset: 3, maxBytes: 2 });
    assert.equal(chunks.map(({ data }) => latin1(data)).join(""), whole.slice(3, 5));
  });

  test("nothing is read of nothing", async (context) => {
    const { logs, attempt } = await open(context);
    const ref = refOf(await attempt());
    assert.deepEqual(await logs.read(everything(ref)), { chunks: [], nextOffset: 0 });
    await logs.append([batchOf(ref, 0, ["err:abc"])]);
    assert.deepEqual(await logs.read({ ...everything(ref), offset: 3 }), {
      chunks: [],
      nextOffset: 3,
    });
    const onlyOut = { ...everything(ref), stream: "stdout" as const };
    assert.deepEqual(await logs.read(onlyOut), { chunks: [], nextOffset: 3 });
    const unknown = { ...everything(ref), attempt: 9 };
    assert.deepEqual(await logs.read(unknown), { chunks: [], nextOffset: 0 });
    assert.equal(await logs.durableOffset(ref.jobId, 9), 0);
  });

  test("a store that is opened again has it all", async (context) => {
    const { logs, attempt, reopen } = await open(context);
    const ref = refOf(await attempt());
    await logs.append([batchOf(ref, 0, ["out:one", "err:two"])]);
    const again = reopen();
    assert.deepEqual(await again.append([batchOf(ref, 6, ["out:three"])]), [
      { kind: "stored", durableOffset: 11 },
    ]);
    assert.equal((await readStreams(again, ref)).both, "onetwothree");
  });
}

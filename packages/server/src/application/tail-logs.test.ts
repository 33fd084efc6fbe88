import assert from "node:assert/strict";
import { test } from "node:test";
import type { AttemptRef, JobId } from "@hodei/domain";
import { MemoryLogStore } from "@hodei/testkit";
import {
  ALICE,
  assign,
  COMPLETED,
  connectedWorker,
  FAILED,
  finish,
  logBatch,
  running,
  settled,
  testDeps,
} from "./fixtures.test.ts";
import { readLogs } from "./read-logs.ts";
import { type TailLogsInput, tailLogs } from "./tail-logs.ts";

const ALL = {
  attempt: 0,
  start: { kind: "offset", offset: 0 },
  stream: null,
  follow: true,
  lossy: false,
} as const;

const NEVER = new AbortController().signal;

/** Reads a tail in the background; `text` grows as it comes. */
function tail(deps: Parameters<typeof tailLogs>[0], input: TailLogsInput) {
  const state = { text: "", attempts: new Set<number>() };
  const stop = new AbortController();
  const read = async () => {
    for await (const { attempt, chunks } of tailLogs(deps, ALICE, input, stop.signal)) {
      state.attempts.add(attempt);
      for (const { data } of chunks) state.text += new TextDecoder().decode(data);
    }
  };
  return { state, stop, ended: read() };
}

async function write(
  peer: Awaited<ReturnType<typeof connectedWorker>>["peer"],
  ref: AttemptRef,
  offset: number,
  text: string,
): Promise<void> {
  await peer.session.receive({ type: "log_batch", batch: logBatch(ref, offset, text) });
  await settled();
}

test("history, then what comes, to the end of the job; nothing twice, nothing missing", async () => {
  const deps = testDeps();
  const { peer } = await connectedWorker(deps);
  const { job, ref } = await running(deps, peer);
  await write(peer, ref, 0, "one\n");
  const { state, ended } = tail(deps, { ...ALL, jobId: job.id });
  await settled();
  assert.equal(state.text, "one\n");
  await write(peer, ref, 4, "two\n");
  assert.equal(state.text, "one\ntwo\n");
  await peer.session.receive(finish(ref, COMPLETED, 8));
  await ended;
  assert.equal(state.text, "one\ntwo\n");
});

test("a tail goes through all attempts", async () => {
  const deps = testDeps();
  const { peer } = await connectedWorker(deps);
  const retryPolicy = { maxAttempts: 2, baseDelayMs: 0, maxDelayMs: 0, reasons: [] };
  const { job, ref } = await running(deps, peer, { retryPolicy });
  const { state, ended } = tail(deps, { ...ALL, jobId: job.id });
  await write(peer, ref, 0, "first\n");
  await peer.session.receive(finish(ref, FAILED, 6));
  await settled();
  const second = await assign(deps, peer, job);
  await peer.session.receive({ type: "attempt_started", ref: second });
  await write(peer, second, 0, "second\n");
  await peer.session.receive(finish(second, COMPLETED, 7));
  await ended;
  assert.equal(state.text, "first\nsecond\n");
  assert.deepEqual([...state.attempts], [1, 2]);
});

test("without follow a tail ends with what is stored", async () => {
  const deps = testDeps();
  const { peer } = await connectedWorker(deps);
  const { job, ref } = await running(deps, peer);
  await write(peer, ref, 0, "a\nb\nc\n");
  const { state, ended } = tail(deps, {
    ...ALL,
    jobId: job.id,
    start: { kind: "last_lines", count: 2 },
    follow: false,
  });
  await ended;
  assert.equal(state.text, "b\nc\n");
});

test("a tail that nobody reads any more ends", async () => {
  const deps = testDeps();
  const { peer } = await connectedWorker(deps);
  const { job } = await running(deps, peer);
  const { stop, ended } = tail(deps, { ...ALL, jobId: job.id });
  await settled();
  stop.abort();
  await ended;
});

test("the log of a job that never existed is not there", async () => {
  const jobId = "99999999-0000-7000-8000-000000000000" as JobId;
  await assert.rejects(tail(testDeps(), { ...ALL, jobId }).ended, { code: "not_found" });
});

test("a tail from a time leaves out attempts that had ended; one by lines begins in the latest", async () => {
  const deps = testDeps();
  const { peer } = await connectedWorker(deps);
  const retryPolicy = { maxAttempts: 2, baseDelayMs: 0, maxDelayMs: 0, reasons: [] };
  const { job, ref } = await running(deps, peer, { retryPolicy });
  await write(peer, ref, 0, "first\n");
  await peer.session.receive(finish(ref, FAILED, 6));
  await settled();
  const endedAt = deps.clock.now();
  deps.clock.advance(1_000);
  const second = await assign(deps, peer, job);
  await peer.session.receive({ type: "attempt_started", ref: second });
  await write(peer, second, 0, "2a\n2b\n");
  const read = async (start: TailLogsInput["start"]) => {
    const tailed: [number, number | null, string][] = [];
    const input = { ...ALL, jobId: job.id, start, follow: false };
    for await (const { attempt, linesBefore, chunks } of tailLogs(deps, ALICE, input, NEVER)) {
      const text = chunks.map(({ data }) => new TextDecoder().decode(data)).join("");
      tailed.push([attempt, linesBefore, text]);
    }
    return tailed;
  };
  const whole = [
    [1, 0, "first\n"],
    [2, 0, "2a\n2b\n"],
  ];
  assert.deepEqual(await read({ kind: "offset", offset: 0 }), whole);
  // The clock of the fixtures' worker stands at 0.
  assert.deepEqual(await read({ kind: "time", at: new Date(0) }), whole);
  assert.deepEqual(await read({ kind: "time", at: new Date(endedAt.getTime() + 1) }), []);
  assert.deepEqual(await read({ kind: "line", number: 2 }), [[2, 1, "2b\n"]]);
});

test("a read says where to go on and when all was read", async () => {
  const deps = testDeps();
  const { peer } = await connectedWorker(deps);
  const { job, ref } = await running(deps, peer);
  await write(peer, ref, 0, "abc");
  const range = { jobId: job.id, attempt: 0, start: ALL.start, maxBytes: 1_000, stream: null };
  const first = await readLogs(deps, ALICE, range);
  assert.deepEqual([first.attempt, first.nextOffset, first.complete], [1, 3, false]);
  await peer.session.receive(finish(ref, COMPLETED, 3));
  await settled();
  const rest = await readLogs(deps, ALICE, { ...range, start: { kind: "offset", offset: 3 } });
  assert.deepEqual([rest.chunks.length, rest.nextOffset, rest.complete], [0, 3, true]);
});

test("a lossy tail that is far behind goes on near the end and says what it skipped; others read it all", async () => {
  const deps = testDeps();
  const { peer } = await connectedWorker(deps);
  const { job, ref } = await running(deps, peer);
  const mebibyte = "x".repeat(1024 * 1024);
  for (let count = 0; count < 9; count += 1) {
    await write(peer, ref, count * mebibyte.length, mebibyte);
  }
  await peer.session.receive(finish(ref, COMPLETED, 9 * mebibyte.length));
  const ends: number[] = [];
  let skippedBytes = 0;
  for (const lossy of [true, false]) {
    const input = { ...ALL, jobId: job.id, lossy };
    let readBytes = 0;
    for await (const { chunks } of tailLogs(deps, ALICE, input, new AbortController().signal)) {
      for (const { data, missing } of chunks) {
        readBytes += data.length;
        if (missing?.reason === "skipped") skippedBytes += missing.lengthBytes;
      }
    }
    ends.push(readBytes);
  }
  assert.equal(skippedBytes, 9 * mebibyte.length - 256 * 1024);
  assert.deepEqual(ends, [256 * 1024, 9 * mebibyte.length]);
});

test("a log that was not kept for so long is a gap with all of its bytes", async () => {
  const deps = testDeps();
  const { peer } = await connectedWorker(deps);
  const { job, ref } = await running(deps, peer);
  await peer.session.receive({ type: "log_batch", batch: logBatch(ref, 0, "8 bytes\n") });
  await peer.session.receive(finish(ref, COMPLETED, 8));
  await settled();
  // As when their day is gone.
  const later = { ...deps, logs: new MemoryLogStore(deps) };
  const range = { jobId: job.id, attempt: 0, start: ALL.start, maxBytes: 1_000, stream: null };
  const read = await readLogs(later, ALICE, range);
  const missing = { reason: "expired", lengthBytes: 8 };
  assert.deepEqual(
    read.chunks.map((chunk) => chunk.missing),
    [missing],
  );
  assert.deepEqual([read.nextOffset, read.complete], [8, true]);
  const rest = await readLogs(later, ALICE, { ...range, start: { kind: "offset", offset: 8 } });
  assert.deepEqual([rest.chunks, rest.nextOffset, rest.complete], [[], 8, true]);
  const tailed: unknown[] = [];
  for await (const { chunks } of tailLogs(later, ALICE, { ...ALL, jobId: job.id }, NEVER)) {
    tailed.push(...chunks.map((chunk) => chunk.missing));
  }
  assert.deepEqual(tailed, [missing]);
});

import assert from "node:assert/strict";
import { test } from "node:test";
import { Code, ConnectError, createRouterTransport } from "@connectrpc/connect";
import { type Job, JobState } from "@hodei/proto/hodei/v1/job";
import { JobService } from "@hodei/proto/hodei/v1/job_service";
import { LogService, LogStream } from "@hodei/proto/hodei/v1/log_service";
import { createClientOver } from "./client.ts";
import type { JobSpecInit } from "./messages.ts";
import { runJob } from "./run-job.ts";

const spec: JobSpecInit = { work: { case: "command", value: { argv: ["true"] } } };

/** A server whose one job writes `lines` to both streams in turn, then has a gap, then succeeds. */
function clientOf(lines: readonly string[]) {
  return createClientOver(
    createRouterTransport((router) => {
      router.service(JobService, {
        createJob: () => ({ job: { id: "a", state: JobState.PENDING, version: 1n } }),
        async *watchJob() {
          yield { job: { id: "a", state: JobState.RUNNING, version: 2n, attempt: 1 } };
          yield { job: { id: "a", state: JobState.SUCCEEDED, version: 3n, attempt: 1 } };
        },
      });
      router.service(LogService, {
        async *tailLogs() {
          let offset = 0n;
          for (const [index, line] of lines.entries()) {
            const stream = index % 2 === 0 ? LogStream.STDOUT : LogStream.STDERR;
            const data = Buffer.from(line);
            yield { attempt: 1, chunks: [{ stream, offset, data }] };
            offset += BigInt(data.length);
          }
          yield { attempt: 1, chunks: [{ stream: LogStream.STDOUT, offset, gapBytes: 7n }] };
        },
      });
    }),
  );
}

test("the job's output goes to its handlers, in order, before the job is returned", async () => {
  const heard: string[] = [];
  const job = await runJob(
    clientOf(["a", "b", "c"]),
    { spec },
    {
      onCreated: ({ id }) => heard.push(`created ${id}`),
      onStdout: (bytes) => void heard.push(`out ${Buffer.from(bytes)}`),
      onStderr: (bytes) => void heard.push(`err ${Buffer.from(bytes)}`),
      onGap: ({ gapBytes }) => void heard.push(`gap ${gapBytes}`),
    },
  );
  assert.equal(job.state, JobState.SUCCEEDED);
  assert.deepEqual(heard, ["created a", "out a", "err b", "out c", "gap 7"]);
});

test("a handler that is not done holds the log back", async () => {
  let busy = 0;
  let count = 0;
  await runJob(
    clientOf(Array.from({ length: 20 }, () => "x")),
    { spec },
    {
      async onStdout() {
        busy += 1;
        assert.equal(busy, 1);
        await new Promise(setImmediate);
        busy -= 1;
        count += 1;
      },
    },
  );
  assert.equal(count, 10);
});

test("every version of the job is told", async () => {
  const states: Job["state"][] = [];
  await runJob(clientOf([]), { spec }, { onChange: ({ state }) => states.push(state) });
  assert.deepEqual(states, [JobState.RUNNING, JobState.SUCCEEDED]);
});

test("a handler that fails ends the run with its error", async () => {
  const failing = runJob(
    clientOf(["a"]),
    { spec },
    {
      onStdout() {
        throw new Error("stdout is gone");
      },
    },
  );
  await assert.rejects(failing, /stdout is gone/);
});

test("aborting stops following", async () => {
  const stop = new AbortController();
  const client = createClientOver(
    createRouterTransport((router) => {
      router.service(JobService, {
        createJob: () => ({ job: { id: "a", version: 1n } }),
        async *watchJob(_, { signal }) {
          await new Promise((_resolve, reject) =>
            signal.addEventListener("abort", () => reject(new ConnectError("left", Code.Canceled))),
          );
        },
      });
      router.service(LogService, { async *tailLogs() {} });
    }),
  );
  const running = runJob(client, { spec }, { signal: stop.signal, onCreated: () => stop.abort() });
  await assert.rejects(running, { code: "cancelled" });
});

test("whoever leaves does not wait for a handler whose reader has stopped", {
  timeout: 10_000,
}, async () => {
  const stop = new AbortController();
  const running = runJob(
    clientOf(["a"]),
    { spec },
    {
      signal: stop.signal,
      onStdout: () => new Promise<void>(() => setTimeout(() => stop.abort(), 50)),
    },
  );
  await assert.rejects(running, { code: "cancelled" });
});

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { readFile, stat, writeFile } from "node:fs/promises";
import { connect, createServer } from "node:net";
import { join } from "node:path";
import { afterEach, beforeEach, describe, test } from "node:test";
import { durationFromMs } from "@bufbuild/protobuf/wkt";
import { ExitReason, LogOverflow } from "@hodei/proto/hodei/v1/job";
import { waitFor } from "@hodei/testkit";
import { Freezer } from "../test/freezer.ts";
import { isAlive } from "../test/is-alive.ts";
import { type ServedAttempt, WORKER_ID } from "../test/test-server.ts";
import { WorkerFixture } from "../test/worker-fixture.ts";

let fixture: WorkerFixture;
beforeEach(async () => {
  fixture = await WorkerFixture.create(process.env);
});
afterEach(async () => {
  assert.deepEqual(fixture.server.violations, []);
  await fixture.close();
});

const bash = (content: string) => ({ work: { case: "script", value: { content } } }) as const;
const argv = (...words: string[]) =>
  ({ work: { case: "command", value: { argv: words } } }) as const;

async function connected(): Promise<void> {
  await waitFor(() => fixture.server.session?.received.length, { what: "a session" });
}

async function resultOf(attempt: ServedAttempt) {
  return waitFor(() => attempt.results[0], { timeoutMs: 20_000, what: "a result" });
}

describe("joining", () => {
  test("a join token becomes a certificate, which a restart uses again", async () => {
    const first = await fixture.startWorker();
    await connected();
    const hello = fixture.server.session?.received[0]?.message;
    assert.equal(hello?.case, "hello");
    const identity = await stat(join(fixture.stateDir, "identity.json"));
    assert.equal(identity.mode & 0o777, 0o600);
    assert.equal((await stat(fixture.stateDir)).mode & 0o777, 0o700);
    await first.stop();
    await fixture.startWorker();
    await connected();
    assert.equal(fixture.server.registerCount, 1);
  });

  test("a spent token ends the start", async () => {
    await (await fixture.startWorker()).stop();
    const other = await WorkerFixture.create({});
    try {
      await assert.rejects(
        other.startWorker({ serverUrl: fixture.server.url, joinToken: fixture.server.joinToken }),
        { code: "unauthenticated", reason: "join_refused", message: /make a new one/ },
      );
    } finally {
      await other.close();
    }
  });

  test("another server than the token's is not trusted, and never gets the token", async () => {
    const joinToken = `hodei-join.${"s".repeat(43)}.${createHash("sha256").digest("base64url")}`;
    await assert.rejects(fixture.startWorker({ joinToken }), {
      code: "permission_denied",
      reason: "untrusted_server",
      message: /none of its 2 certificates has the token's fingerprint/,
    });
    assert.equal(fixture.server.registerCount, 0);
  });

  test("a server at another name than its certificate's is not trusted", async () => {
    const serverUrl = fixture.server.url.replace("localhost", "127.0.0.2");
    const proxy = createServer((socket) => {
      const upstream = connect(Number(new URL(fixture.server.url).port), "127.0.0.1");
      socket.pipe(upstream).pipe(socket);
      socket.on("error", () => upstream.destroy());
      upstream.on("error", () => socket.destroy());
    });
    proxy.listen(Number(new URL(serverUrl).port), "127.0.0.2");
    await once(proxy, "listening");
    try {
      await assert.rejects(fixture.startWorker({ serverUrl }), {
        code: "permission_denied",
        reason: "untrusted_server",
      });
    } finally {
      proxy.close();
    }
  });

  test("without token or identity it says what to do", async () => {
    await assert.rejects(fixture.startWorker({ joinToken: undefined }), {
      code: "failed_precondition",
      message: /HODEI_WORKER_JOIN_TOKEN_FILE/,
    });
  });

  test("a token file that is not there is named", async () => {
    const joinTokenFile = join(fixture.stateDir, "no-token");
    await assert.rejects(fixture.startWorker({ joinToken: undefined, joinTokenFile }), {
      reason: "join_token_missing",
      message: /no-token, does not exist/,
    });
  });

  test("the token may stand in a file", async () => {
    const joinTokenFile = join(fixture.stateDir, "token");
    await writeFile(joinTokenFile, `${fixture.server.joinToken}\n`);
    await fixture.startWorker({ joinToken: undefined, joinTokenFile });
    await connected();
  });

  test("a server that is not there yet is waited for", async () => {
    const { url, joinToken } = fixture.server;
    await fixture.server.stop();
    const starting = fixture.startWorker({ serverUrl: url, joinToken });
    await waitFor(() => fixture.hasLogged("worker.register_retried"));
    await fixture.server.start();
    await starting;
    await connected();
  });

  test("two workers cannot share a state directory", async () => {
    await fixture.startWorker();
    await assert.rejects(fixture.startWorker(), { reason: "state_dir_taken" });
  });

  test("a refused certificate ends the worker with exit code 1", async () => {
    fixture.server.isRefusing = true;
    const worker = await fixture.startWorker();
    assert.equal(await worker.done, 1);
    assert.ok(fixture.hasLogged("worker.refused"));
  });
});

describe("session", () => {
  test("hello tells of the machine, heartbeats come as often as welcome says", async () => {
    await fixture.startWorker({ labels: { zone: "a" }, cpuMillis: 1500 });
    await waitFor(() => (fixture.server.session?.heartbeatCount ?? 0) >= 3);
    const hello = fixture.server.session?.received[0]?.message.value;
    assert.equal(hello?.$typeName, "hodei.v1.Hello");
    const { "hodei/sandbox": sandbox, ...labels } = hello.labels;
    assert.deepEqual(labels, { zone: "a" });
    assert.ok(sandbox === undefined || sandbox === "bubblewrap");
    assert.equal(hello.capacity?.cpuMillis, 1500);
    assert.ok((hello.capacity?.memoryBytes ?? 0n) > 0n);
    assert.ok((hello.capacity?.diskBytes ?? 0n) > 0n);
    assert.match(hello.version, /^\d+\.\d+\.\d+$/);
  });

  test("an attempt is started, logged and reported", async () => {
    await fixture.startWorker();
    await connected();
    const attempt = fixture.server.assign(bash("echo out; echo err >&2; exit 7"));
    const { outcome, logBytes, processesLeft } = await resultOf(attempt);
    assert.equal(outcome?.reason, ExitReason.NON_ZERO_EXIT);
    assert.equal(outcome?.exitCode, 7);
    assert.equal(logBytes, 8n);
    assert.equal(processesLeft, 0);
    assert.equal(attempt.startedCount, 1);
    assert.equal(Buffer.concat(attempt.stdout).toString(), "out\n");
    assert.equal(Buffer.concat(attempt.stderr).toString(), "err\n");
  });

  test("an assignment that comes twice is run once and answered twice", async () => {
    await fixture.startWorker();
    await connected();
    const attempt = fixture.server.assign(bash("echo once; sleep 0.3"));
    await waitFor(() => attempt.log.length > 0);
    fixture.server.sendAssignment(attempt);
    await resultOf(attempt);
    assert.equal(attempt.startedCount, 2);
    assert.equal(attempt.log.toString(), "once\n");
  });

  test("cancel ends an attempt and reports it", async () => {
    await fixture.startWorker();
    await connected();
    const attempt = fixture.server.assign(argv("sleep", "60"));
    await waitFor(() => attempt.startedCount === 1);
    const { ref } = attempt;
    fixture.server.session?.send({ case: "cancelAttempt", value: { ref } });
    const { outcome } = await resultOf(attempt);
    assert.equal(outcome?.reason, ExitReason.CANCELLED_BY);
  });

  test("100,000 lines come in a thousandth of the messages", async () => {
    await fixture.startWorker();
    await connected();
    const attempt = fixture.server.assign(
      bash("for ((i = 1; i <= 100000; i++)); do echo $i; done"),
    );
    await resultOf(attempt);
    const lines = Array.from({ length: 100_000 }, (_, i) => `${i + 1}\n`).join("");
    assert.ok(attempt.log.equals(Buffer.from(lines)));
    assert.ok(attempt.batchCount < 1_000, `${attempt.batchCount} batches`);
  });

  test("a flood silences neither another attempt nor the heartbeat", async () => {
    await fixture.startWorker();
    await connected();
    const flood = fixture.server.assign(argv("cat", "/dev/zero"));
    await waitFor(() => flood.log.length > 1024 * 1024);
    const before = fixture.server.session?.heartbeatCount ?? 0;
    const quiet = fixture.server.assign(bash("echo here"));
    await resultOf(quiet);
    await waitFor(() => (fixture.server.session?.heartbeatCount ?? 0) > before + 3);
    fixture.server.session?.send({ case: "cancelAttempt", value: { ref: flood.ref } });
    await resultOf(flood);
    assert.ok(flood.log.every((byte) => byte === 0));
  });

  test("with overflow block, a writer waits at the bound without acks, and goes on after them", async () => {
    await fixture.startWorker({ logSpoolAttemptBytes: 65_536 });
    await connected();
    fixture.server.isAcking = false;
    const marker = join(fixture.stateDir, "written");
    const attempt = fixture.server.assign({
      ...bash(`head -c 1000000 /dev/zero; touch ${marker}`),
      logPolicy: { overflow: LogOverflow.BLOCK },
    });
    await waitFor(() => attempt.log.length >= 65_536);
    const sent = fixture.server.session?.heartbeatCount ?? 0;
    await waitFor(() => (fixture.server.session?.heartbeatCount ?? 0) > sent + 3);
    assert.ok(attempt.log.length < 400_000);
    assert.equal(existsSync(marker), false);
    fixture.server.isAcking = true;
    fixture.server.ackAll();
    const { logBytes } = await resultOf(attempt);
    assert.equal(logBytes, 1_000_000n);
  });
});

describe("reconnecting", () => {
  test("a job goes on while the connection is cut again and again; nothing is lost or doubled", async () => {
    await fixture.startWorker();
    await connected();
    const attempt = fixture.server.assign(
      bash(
        "for ((i = 1; i <= 60; i++)); do seq $((i * 1000)) $((i * 1000 + 999)); sleep 0.02; done",
      ),
    );
    for (let cuts = 1; cuts <= 4; cuts += 1) {
      const { length } = attempt.log;
      await waitFor(() => attempt.log.length > length + 10_000);
      fixture.server.cut();
      await waitFor(() => fixture.server.sessions.length > cuts && fixture.server.session);
    }
    await resultOf(attempt);
    const lines = Array.from({ length: 60_000 }, (_, i) => `${i + 1000}\n`).join("");
    assert.ok(attempt.log.equals(Buffer.from(lines)));
    assert.equal(attempt.gapCount, 0);
  });

  test("what ends without a server is reported to the next one, start first", async () => {
    await fixture.startWorker();
    await connected();
    const attempt = fixture.server.assign(bash("sleep 0.3; echo late; exit 3"));
    await waitFor(() => attempt.startedCount === 1);
    await fixture.server.stop();
    await waitFor(() => fixture.hasLogged("attempt.ended"));
    await fixture.server.start();
    const { outcome } = await resultOf(attempt);
    assert.equal(outcome?.exitCode, 3);
    assert.equal(attempt.log.toString(), "late\n");
    const cases = fixture.server.session?.received.map(({ message }) => message.case);
    assert.deepEqual(cases?.filter((name) => name !== "heartbeat").slice(0, 4), [
      "hello",
      "attemptStarted",
      "logBatch",
      "attemptFinished",
    ]);
  });

  test("a result that was not acked is sent again", async () => {
    await fixture.startWorker();
    await connected();
    const attempt = fixture.server.assign(argv("true"));
    fixture.server.isAcking = false;
    await resultOf(attempt);
    fixture.server.isAcking = true;
    fixture.server.cut();
    await waitFor(() => attempt.results.length === 2);
    fixture.server.cut();
    await waitFor(
      () => fixture.server.sessions.length === 3 && fixture.server.session?.received[0],
    );
    const hello = fixture.server.session?.received[0]?.message.value;
    assert.equal(hello?.$typeName, "hodei.v1.Hello");
    assert.deepEqual(hello.attempts, []);
  });

  test("an attempt that the server took away is killed and forgotten", async () => {
    await fixture.startWorker();
    await connected();
    const attempt = fixture.server.assign(bash("trap '' TERM; echo $$; sleep 60; sleep 60"));
    await waitFor(() => attempt.log.length > 0);
    const pid = attempt.log.toString().trim();
    attempt.isAbandoned = true;
    fixture.server.cut();
    await waitFor(() => !existsSync(`/proc/${pid}`) && fixture.hasLogged("attempt.ended"));
    assert.deepEqual(attempt.results, []);
  });
});

describe("leaving", () => {
  test("stop says going away, refuses what comes, lets the attempt end and exits with 0", async () => {
    const worker = await fixture.startWorker();
    await connected();
    const attempt = fixture.server.assign(bash("sleep 0.4; echo done"));
    await waitFor(() => attempt.startedCount === 1);
    const { session } = fixture.server;
    const stopped = worker.stop();
    await waitFor(() => session?.received.some(({ message }) => message.case === "goingAway"));
    const refused = fixture.server.assign(argv("true"));
    await waitFor(() => refused.refusal === "the worker is leaving");
    await stopped;
    assert.equal(await worker.done, 0);
    assert.equal(attempt.log.toString(), "done\n");
    assert.equal(attempt.results[0]?.outcome?.reason, ExitReason.COMPLETED);
  });

  test("an idle worker says going away before it ends the session", async () => {
    const worker = await fixture.startWorker();
    await connected();
    await waitFor(() => fixture.hasLogged("session.opened"));
    const { session } = fixture.server;
    await worker.stop();
    assert.equal(session?.received.at(-1)?.message.case, "goingAway");
  });

  test("a worker that cannot end an attempt says so, and leaves", async (context) => {
    const freezer = Freezer.open();
    if (freezer === undefined)
      return context.skip(
        "run as root, where the freezer of control groups (version 1) is mounted",
      );
    const worker = await fixture.startWorker();
    await connected();
    const grace = durationFromMs(100);
    const attempt = fixture.server.assign({ ...bash("echo $$; sleep 1000"), timeouts: { grace } });
    await waitFor(() => attempt.log.includes("\n"));
    const pid = Number(attempt.log.toString());
    try {
      await freezer.freeze(pid);
      const { ref } = attempt;
      fixture.server.session?.send({ case: "cancelAttempt", value: { ref } });
      const { outcome, processesLeft } = await resultOf(attempt);
      assert.equal(outcome?.reason, ExitReason.UNKILLABLE);
      assert.equal(processesLeft, 1);
      assert.equal(await worker.done, 0);
    } finally {
      freezer.thaw();
      await waitFor(() => !isAlive(pid));
      freezer.close();
    }
  });

  test("after the drain time-out attempts are terminated, and reported", async () => {
    const worker = await fixture.startWorker({ drainTimeoutMs: 100 });
    await connected();
    const attempt = fixture.server.assign(argv("sleep", "60"));
    await waitFor(() => attempt.startedCount === 1);
    await worker.stop();
    assert.equal(await worker.done, 0);
    assert.equal(attempt.results[0]?.outcome?.reason, ExitReason.PROVIDER_RECLAIMED);
  });

  test("a drain by the server lets the attempt end without limit", async () => {
    const worker = await fixture.startWorker({ drainTimeoutMs: 0 });
    await connected();
    const attempt = fixture.server.assign(bash("sleep 0.4; echo done"));
    await waitFor(() => attempt.startedCount === 1);
    fixture.server.session?.send({ case: "drain", value: {} });
    assert.equal(await worker.done, 0);
    assert.equal(attempt.results[0]?.outcome?.reason, ExitReason.COMPLETED);
  });

  test("killed, it ends every process and says what it left", async () => {
    const worker = await fixture.startWorker();
    await connected();
    const attempt = fixture.server.assign(bash("echo $$; sleep 60"));
    await waitFor(() => attempt.log.length > 0);
    worker.kill();
    assert.equal(await worker.done, 1);
    assert.ok(fixture.hasLogged("worker.left_behind"));
    await waitFor(() => !existsSync(`/proc/${attempt.log.toString().trim()}`));
  });

  test("stop before there was a session", async () => {
    const worker = await fixture.startWorker();
    await connected();
    await fixture.server.stop();
    await waitFor(() => fixture.hasLogged("session.lost"));
    await worker.stop();
    assert.equal(await worker.done, 0);
  });
});

test("secrets do not show in the log", async () => {
  await fixture.startWorker();
  await connected();
  const identity = await readFile(join(fixture.stateDir, "identity.json"), "utf8");
  assert.ok(identity.includes(WORKER_ID));
  const text = JSON.stringify(fixture.logged);
  assert.equal(text.includes("s".repeat(43)), false);
  assert.equal(text.includes("PRIVATE KEY"), false);
});

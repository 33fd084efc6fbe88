import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { inspect } from "node:util";
import { loadWorkerConfig } from "./config.ts";

const serverUrl = "https://hodei.example:7443";

test("everything but the server has a default", () => {
  const config = loadWorkerConfig({ XDG_STATE_HOME: "/state" }, { serverUrl });
  assert.deepEqual(config, {
    serverUrl,
    stateDir: "/state/hodei/worker",
    labels: {},
    taints: {},
    attemptsMax: 1000,
    drainTimeoutMs: 30_000,
    attemptPidsMax: 4096,
    attemptCpu: "share",
    logLevel: "info",
    logBatchEntries: 100,
    logBatchIntervalMs: 250,
    attemptOpenFiles: 1024,
    allowRoot: false,
    logBatchBytes: 65_536,
    logAttemptBytes: 1_073_741_824,
    logSpoolAttemptBytes: 67_108_864,
    logSpoolBytes: 1_073_741_824,
    minFreeDiskBytes: 268_435_456,
    metricsTtlMs: 35_000,
  });
});

test("variables are read, options win, undefined is not given", () => {
  const env = {
    HODEI_WORKER_SERVER_URL: serverUrl,
    HODEI_WORKER_STATE_DIR: "/var/lib/hodei",
    HODEI_WORKER_LABELS: "zone=a, disk = ssd,empty=",
    HODEI_WORKER_TAINTS: "spot, team = ml,",
    HODEI_WORKER_GPU: "a100=4",
    HODEI_WORKER_CPU_MILLIS: "1500",
    HODEI_WORKER_LOG_LEVEL: "debug",
    HODEI_SERVER_PORT: "not ours",
  };
  const config = loadWorkerConfig(env, { cpuMillis: 500, logLevel: undefined });
  assert.deepEqual(config.labels, { zone: "a", disk: "ssd", empty: "" });
  assert.deepEqual(config.taints, { spot: "", team: "ml" });
  assert.deepEqual(config.gpu, { model: "a100", count: 4 });
  assert.equal(config.cpuMillis, 500);
  assert.equal(config.logLevel, "debug");
  assert.equal(config.stateDir, "/var/lib/hodei");
});

describe("faults", () => {
  test("an unknown variable is named, with those there are", () => {
    assert.throws(() => loadWorkerConfig({ HODEI_WORKER_SERVER: "x" }), {
      code: "invalid_argument",
      message: /HODEI_WORKER_SERVER: no such setting; there are HODEI_WORKER_SERVER_URL, /,
    });
  });

  test("all wrong values come in one message, under both names", () => {
    const env = { HODEI_WORKER_CPU_MILLIS: "many", HODEI_WORKER_DRAIN_TIMEOUT_MS: "-1" };
    assert.throws(
      () => loadWorkerConfig(env, { serverUrl: "http://x" }),
      (error: Error) => {
        assert.match(error.message, /cpuMillis \(HODEI_WORKER_CPU_MILLIS\)/);
        assert.match(error.message, /drainTimeoutMs \(HODEI_WORKER_DRAIN_TIMEOUT_MS\)/);
        assert.match(error.message, /serverUrl \(HODEI_WORKER_SERVER_URL\): must look like https/);
        return true;
      },
    );
  });

  test("a relative state directory, a token given twice, a label without value", () => {
    assert.throws(() => loadWorkerConfig({}, { serverUrl, stateDir: "here" }), /absolute path/);
    const twice = { serverUrl, joinToken: "t", joinTokenFile: "/token" };
    assert.throws(() => loadWorkerConfig({}, twice), /given twice/);
    const env = { HODEI_WORKER_LABELS: "zone" };
    assert.throws(() => loadWorkerConfig(env, { serverUrl }), /"zone" must look like name=value/);
  });
});

test("the join token shows itself as ***", () => {
  const config = loadWorkerConfig({}, { serverUrl, joinToken: "hodei-join.secret" });
  assert.equal(`${config.joinToken}`, "***");
  for (const text of [JSON.stringify(config), inspect(config)]) {
    assert.match(text, /\*\*\*/);
    assert.doesNotMatch(text, /secret/);
  }
  assert.equal(config.joinToken?.reveal(), "hodei-join.secret");
});

test("1 and 0 are yes and no for HODEI_WORKER_ALLOW_ROOT, as true and false are", () => {
  const allowRootOf = (text: string): boolean =>
    loadWorkerConfig({
      HODEI_WORKER_SERVER_URL: "https://h:1",
      HODEI_WORKER_STATE_DIR: "/tmp/x",
      HODEI_WORKER_ALLOW_ROOT: text,
    }).allowRoot;
  assert.deepEqual(["true", "1", "false", "0"].map(allowRootOf), [true, true, false, false]);
});

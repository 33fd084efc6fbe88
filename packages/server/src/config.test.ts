import assert from "node:assert/strict";
import { test } from "node:test";
import { readServerConfig } from "./config.ts";

const OPTIONS = { dataDir: "/data" };

/** The message with which `environment` is refused. */
function refusal(environment: Readonly<Record<string, string>>): string {
  try {
    readServerConfig(OPTIONS, environment);
  } catch (error) {
    assert.equal((error as { code?: string }).code, "invalid_argument");
    return (error as Error).message;
  }
  throw new Error("it was not refused");
}

test("an unknown variable is refused with the names that there are", () => {
  const message = refusal({ HODEI_SERVER_PUBLIC_PROT: "1", HODEI_SERVER_CA: "x" });
  assert.match(
    message,
    /HODEI_SERVER_PUBLIC_PROT: no such setting; there are .*HODEI_SERVER_PUBLIC_PORT,/,
  );
  assert.match(message, /HODEI_SERVER_CA: no such setting/);
});

test("every fault is named at once", () => {
  const message = refusal({ HODEI_SERVER_PUBLIC_PORT: "70000", HODEI_SERVER_NONE: "" });
  assert.match(message, /publicPort: /);
  assert.match(message, /HODEI_SERVER_NONE: /);
});

test("a certificate without its key, or a key without its certificate, is no plaintext", () => {
  assert.match(refusal({ HODEI_SERVER_PUBLIC_CERT_FILE: "/c" }), /publicCertFile: needs its key/);
  assert.match(refusal({ HODEI_SERVER_PUBLIC_KEY_FILE: "/k" }), /publicKeyFile: needs its cert/);
  const both = { HODEI_SERVER_PUBLIC_CERT_FILE: "/c", HODEI_SERVER_PUBLIC_KEY_FILE: "/k" };
  assert.equal(readServerConfig(OPTIONS, both).publicKeyFile, "/k");
});

test("a setting without a value is refused, not read as 0, as every address or as no limit", () => {
  const names = [
    "PUBLIC_HOST",
    "PUBLIC_PORT",
    "DATABASE_URL",
    "CA_DIR",
    "TENANT_LOG_BYTES_PER_DAY",
  ];
  for (const text of ["", " "]) {
    const message = refusal(
      Object.fromEntries(names.map((name) => [`HODEI_SERVER_${name}`, text])),
    );
    for (const key of [
      "publicHost",
      "publicPort",
      "databaseUrl",
      "caDir",
      "tenantLogBytesPerDay",
    ]) {
      assert.match(message, new RegExp(`${key}: is empty; give it a value, or leave it out`));
    }
  }
  assert.throws(
    () => readServerConfig({ ...OPTIONS, databaseUrl: "" }, {}),
    /databaseUrl: is empty/,
  );
  assert.equal(refusal({ HODEI_SERVER_LOG_LEVEL: "" }).match(/logLevel/g)?.length, 1);
});

test("lists may be empty, and have blanks after their commas", () => {
  const read = (text: string) => {
    const names = { HODEI_SERVER_WORKER_HOSTNAMES: text, HODEI_SERVER_WEBHOOK_TYPES: text };
    const { workerHostnames, webhookTypes } = readServerConfig(OPTIONS, names);
    assert.deepEqual(webhookTypes, workerHostnames);
    return webhookTypes;
  };
  assert.deepEqual(read(""), []);
  assert.deepEqual(read("a.test, b.test,"), ["a.test", "b.test"]);
});

test("a silence that every worker keeps between two heartbeats is refused", () => {
  const times = { HODEI_SERVER_WORKER_SILENCE_MS: "500", HODEI_SERVER_WORKER_HEARTBEAT_MS: "500" };
  assert.match(refusal(times), /workerSilenceMs: must be above workerHeartbeatMs/);
});

test("what is given as an option wins over the environment", () => {
  const environment = { HODEI_SERVER_PUBLIC_PORT: "1", HODEI_SERVER_WORKER_PORT: "2" };
  const config = readServerConfig({ ...OPTIONS, publicPort: 3 }, environment);
  assert.deepEqual([config.publicPort, config.workerPort], [3, 2]);
});

test("weights of tenants are numbers above zero, each tenant once", () => {
  const weights = (text: string) => ({ HODEI_SERVER_TENANT_WEIGHTS: text });
  const read = (text: string) => readServerConfig(OPTIONS, weights(text)).tenantWeights;
  assert.deepEqual(read("a=2, b=0.5"), new Map(Object.entries({ a: 2, b: 0.5 })));
  assert.deepEqual(readServerConfig(OPTIONS, {}).tenantWeights, new Map());
  for (const wrong of ["a", "a=", "=1", "a=0", "a=-1", "a=1001", "a=0.0001", "a=1e3", "a=1=2"]) {
    assert.match(refusal(weights(wrong)), /tenantWeights: .* must look like name=weight/, wrong);
  }
  assert.match(refusal(weights("a=1,a=2")), /tenantWeights: "a" has two weights/);
});

test("a webhook goes to an http address without a user, and has a list of types", () => {
  const url = { HODEI_SERVER_WEBHOOK_URL: "https://hooks.test/hodei" };
  const types = { HODEI_SERVER_WEBHOOK_TYPES: "job.failed,job.succeeded" };
  const config = readServerConfig(OPTIONS, { ...url, ...types });
  assert.equal(config.webhookUrl, "https://hooks.test/hodei");
  assert.deepEqual(config.webhookTypes, ["job.failed", "job.succeeded"]);
  for (const wrong of ["ftp://hooks.test", "hooks.test", "https://user:word@hooks.test"]) {
    assert.match(refusal({ HODEI_SERVER_WEBHOOK_URL: wrong }), /webhookUrl/);
  }
});

test("pools have policies of their own by name, and wrong ones are named", () => {
  const of = (text: string) => ({ HODEI_SERVER_POOL_POLICIES: text });
  const read = (text: string) => readServerConfig(OPTIONS, of(text)).poolPolicies;
  assert.deepEqual(readServerConfig(OPTIONS, {}).poolPolicies, new Map());
  const both = new Map([
    ["local", "bin_pack"],
    ["gpu", "round_robin"],
  ]);
  assert.deepEqual(read("local=bin_pack, gpu=round_robin"), both);
  for (const wrong of ["local", "=spread", "local=best"]) {
    assert.match(refusal(of(wrong)), /poolPolicies: .* must look like name=policy/, wrong);
  }
  assert.match(refusal(of("a=spread,a=spread")), /poolPolicies: "a" has two policies/);
});

test("tenants and pools have retentions of their own, in days", () => {
  const day = 86_400_000;
  const tenants = (text: string) => ({ HODEI_SERVER_TENANT_JOB_RETENTIONS: text });
  const pools = (text: string) => ({ HODEI_SERVER_POOL_JOB_RETENTIONS: text });
  assert.deepEqual(
    readServerConfig(OPTIONS, tenants("a=7, b=30/400")).tenantJobRetentions,
    new Map([
      ["a", { ms: 7 * day, maxMs: null }],
      ["b", { ms: 30 * day, maxMs: 400 * day }],
    ]),
  );
  const gpu = readServerConfig(OPTIONS, pools("gpu=1")).poolJobRetentions;
  assert.deepEqual(gpu, new Map([["gpu", day]]));
  for (const wrong of ["a", "a=0", "=1", "a=1d", "a=1/0", "a=36501", "a=1.5"]) {
    assert.match(
      refusal(tenants(wrong)),
      /tenantJobRetentions: .* must look like name=days/,
      wrong,
    );
  }
  assert.match(refusal(tenants("a=1,a=2")), /tenantJobRetentions: "a" has two retentions/);
  assert.match(refusal(pools("gpu=1/2")), /poolJobRetentions: "gpu" must look like name=days/);
});

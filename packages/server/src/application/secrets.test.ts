import assert from "node:assert/strict";
import { test } from "node:test";
import {
  type ExitReason,
  MAX_SECRET_BYTES,
  PlatformError,
  type SecretRef,
  type SecretStore,
  type TenantId,
} from "@hodei/domain";
import { dispatchAssignments } from "./dispatch-assignments.ts";
import {
  ALICE,
  assign,
  connectedWorker,
  find,
  settled,
  submit,
  testDeps,
} from "./fixtures.test.ts";
import type { Caller } from "./principal.ts";
import { scheduleJobs } from "./schedule-jobs.ts";
import { deleteSecret, listSecrets, setSecret } from "./secrets.ts";

const EVE: Caller = { ...ALICE, name: "eve", tenantId: "other" as TenantId };
const VALUE = "correct horse battery staple";

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const env = (...names: string[]): SecretRef[] => names.map((name) => ({ name, form: "env" }));

/** Schedules and dispatches a job that cannot be sent, and returns it. */
async function refused(deps: ReturnType<typeof testDeps>, secrets: readonly SecretRef[]) {
  const job = await submit(deps, { secrets });
  await scheduleJobs(deps);
  await dispatchAssignments(deps);
  await settled();
  return find(deps, job);
}

test("secrets are set, listed and deleted within the caller's tenant", async () => {
  const deps = testDeps();
  const { secret, warnings } = await setSecret(deps, ALICE, { name: "A", value: bytes(VALUE) });
  assert.equal(secret.version, 1);
  assert.deepEqual(warnings, []);
  const page = { limit: 10, token: null };
  assert.deepEqual((await listSecrets(deps, ALICE, page)).items, [secret]);
  assert.deepEqual((await listSecrets(deps, EVE, page)).items, []);
  await assert.rejects(deleteSecret(deps, EVE, "A"), { code: "not_found" });
  await deleteSecret(deps, ALICE, "A");
  await assert.rejects(deleteSecret(deps, ALICE, "A"), { reason: "secret_not_found" });
});

test("what redaction cannot do for a value is said when it is set", async () => {
  const { warnings } = await setSecret(testDeps(), ALICE, { name: "PIN", value: bytes("1234") });
  assert.equal(warnings.length, 1);
  assert.ok(!warnings.join().includes("1234"));
});

test("an assignment carries the values of its spec's secrets, and nothing stored does", async () => {
  const deps = testDeps();
  await setSecret(deps, ALICE, { name: "A", value: bytes(VALUE) });
  await setSecret(deps, ALICE, { name: "B", value: bytes("not asked for") });
  const { peer } = await connectedWorker(deps);
  const job = await submit(deps, { secrets: env("A") });
  await assign(deps, peer, job);
  assert.deepEqual(
    peer.of("assignment").map(({ secrets }) => secrets),
    [[{ name: "A", value: bytes(VALUE) }]],
  );
  const { jobs, attempts, events } = deps.database.readers;
  const stored = [
    await jobs.get(job.id),
    await jobs.getSpec(job.id),
    await attempts.list(job.id),
    await events.list({ tenantId: null }, "", 1_000),
  ];
  assert.ok(!JSON.stringify(stored).includes(VALUE));
});

test("a job whose secret is missing, or another tenant's, ends without having been sent", async () => {
  const deps = testDeps();
  await setSecret(deps, EVE, { name: "A", value: bytes(VALUE) });
  const { peer } = await connectedWorker(deps);
  const job = await refused(deps, env("A", "B"));
  const { state, outcome, lease } = job;
  assert.deepEqual([state, outcome?.reason, lease], ["failed", "secret_unavailable", null]);
  assert.match(outcome?.message ?? "", /no secret A, B;/);
  const attempt = await deps.database.readers.attempts.find(job.id, 1);
  assert.deepEqual([attempt?.state, attempt?.outcome], ["failed", outcome]);
  assert.deepEqual(peer.of("assignment"), []);
  await dispatchAssignments(deps);
  assert.deepEqual(await find(deps, job), job);
});

test("a policy that retries a missing secret has its limit", async () => {
  const deps = testDeps();
  await connectedWorker(deps);
  const reasons: ExitReason[] = ["secret_unavailable"];
  const retryPolicy = { maxAttempts: 2, baseDelayMs: 0, maxDelayMs: 0, reasons };
  const job = await submit(deps, { secrets: env("A"), retryPolicy });
  const states: string[] = [];
  for (let turn = 0; turn < 3; turn += 1) {
    await scheduleJobs(deps);
    await dispatchAssignments(deps);
    states.push((await find(deps, job)).state);
  }
  assert.deepEqual(states, ["pending", "failed", "failed"]);
});

test("secrets that are too large together are refused", async () => {
  const deps = testDeps();
  const names = Array.from({ length: 17 }, (_, index) => `S${index}`);
  const value = new Uint8Array(MAX_SECRET_BYTES).fill(120);
  for (const name of names) await setSecret(deps, ALICE, { name, value });
  await connectedWorker(deps);
  const { outcome } = await refused(deps, env(...names));
  assert.equal(outcome?.reason, "secret_unavailable");
  assert.match(outcome?.message ?? "", /1048576 at most/);
});

/** A store whose values cannot be had. */
function failing(code: "failed_precondition" | "unavailable"): SecretStore {
  return {
    ...testDeps().secrets,
    getValues: async () => {
      throw new PlatformError(code, "secret_unreadable", "it does not open");
    },
  } as SecretStore;
}

test("a secret that does not open ends its job only", async () => {
  const deps = testDeps({ secrets: failing("failed_precondition") });
  const { peer } = await connectedWorker(deps);
  const other = await submit(deps);
  const job = await refused(deps, env("A"));
  assert.equal(job.outcome?.reason, "secret_unavailable");
  assert.deepEqual(
    peer.of("assignment").map(({ ref }) => ref.jobId),
    [other.id],
  );
});

test("while the store cannot be reached the assignment waits for the next turn", async () => {
  const deps = testDeps({ secrets: failing("unavailable") });
  await connectedWorker(deps);
  const job = await submit(deps, { secrets: env("A") });
  await scheduleJobs(deps);
  await assert.rejects(dispatchAssignments(deps), { code: "unavailable" });
  assert.equal((await find(deps, job)).state, "assigned");
});

test("a job may ask for a secret once, and not under the name of a variable", async () => {
  const deps = testDeps();
  const file: SecretRef = { name: "A", form: "file" };
  const wrong: [readonly SecretRef[], Record<string, string>][] = [
    [env("A", "A"), {}],
    [env("A"), { A: "" }],
    [[file], { A_FILE: "" }],
    [[file, ...env("A_FILE")], {}],
    [env("1A"), {}],
    [env("HODEI_A"), {}],
  ];
  for (const [secrets, variables] of wrong) {
    await assert.rejects(submit(deps, { secrets, env: variables }), { reason: "invalid_spec" });
  }
  await submit(deps, { secrets: [file, ...env("B")], env: { A: "", C: "" } });
});

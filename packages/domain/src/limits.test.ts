import assert from "node:assert/strict";
import { test } from "node:test";
import { after, START } from "@hodei/testkit";
import fc from "fast-check";
import { DEFAULT_TENANT_ID, type JobId, type TenantId } from "./ids.ts";
import {
  type Limited,
  LimitLedger,
  type LimitTerms,
  NO_LIMIT_USAGE,
  type RateStart,
  supersededJobs,
} from "./limits.ts";

const UNLIMITED: LimitTerms = { now: START, tenantJobsMax: null };
const OTHER = "other" as TenantId;

function aLimited(parts: Partial<Limited> = {}): Limited {
  return {
    jobId: "job" as JobId,
    tenantId: DEFAULT_TENANT_ID,
    concurrency: null,
    rateLimit: null,
    ...parts,
  };
}

const keyed = (key: string, limit = 1) => ({ key, limit, onConflict: "queue" }) as const;

test("a key without a place says which job holds it", () => {
  const ledger = new LimitLedger(NO_LIMIT_USAGE, UNLIMITED);
  const deploy = aLimited({ concurrency: keyed("deploy", 2) });
  ledger.take({ ...deploy, jobId: "a" as JobId });
  assert.equal(ledger.obstacle(deploy), undefined);
  ledger.take({ ...deploy, jobId: "b" as JobId });
  assert.deepEqual(ledger.obstacle(deploy), {
    code: "concurrency",
    message: "key `deploy` held by job a and 1 more, of 2",
  });
  const alone = aLimited({ concurrency: keyed("deploy") });
  assert.match(ledger.obstacle(alone)?.message ?? "", /^key `deploy` held by job a and/);
  assert.equal(
    ledger.obstacle({ ...alone, tenantId: OTHER }),
    undefined,
    "keys are a tenant's own",
  );
  assert.equal(ledger.obstacle(aLimited({ concurrency: keyed("other") })), undefined);
});

test("a tenant at its limit waits, others do not", () => {
  const ledger = new LimitLedger(
    { ...NO_LIMIT_USAGE, heldCounts: new Map([[DEFAULT_TENANT_ID, 19]]) },
    { ...UNLIMITED, tenantJobsMax: 20 },
  );
  assert.equal(ledger.obstacle(aLimited()), undefined);
  ledger.take(aLimited());
  assert.deepEqual(ledger.obstacle(aLimited()), {
    code: "tenant_limit",
    message: "tenant at 20 of 20 jobs",
  });
  assert.equal(ledger.obstacle(aLimited({ tenantId: OTHER })), undefined);
});

test("no span of time has more starts than its rate, whatever the clocks of leaders say", () => {
  const anyAsk = fc.record({ atMs: fc.nat({ max: 100 }), perMs: fc.constantFrom(10, 10, 10) });
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 4 }),
      fc.array(anyAsk, { maxLength: 60 }),
      (count, asks) => {
        const starts: RateStart[] = [];
        for (const { atMs, perMs } of asks) {
          const ledger = new LimitLedger(
            { ...NO_LIMIT_USAGE, starts },
            { ...UNLIMITED, now: after(atMs) },
          );
          const job = aLimited({ rateLimit: { key: "api", count, perMs } });
          const { length } = starts;
          if (ledger.obstacle(job) === undefined) {
            ledger.take(job);
            starts.push(...ledger.taken);
            assert.equal(ledger.nextAt, undefined);
          } else {
            const { nextAt } = ledger;
            assert.ok(nextAt !== undefined && nextAt > after(atMs));
            const later = new LimitLedger(
              { ...NO_LIMIT_USAGE, starts },
              { ...UNLIMITED, now: nextAt },
            );
            assert.equal(later.obstacle(job), undefined, "the time that is said is the right one");
          }
          assert.ok(starts.length - length <= 1);
        }
        const times = starts.map(({ at }) => at.getTime()).toSorted((a, b) => a - b);
        for (const [index, from] of times.entries()) {
          const within = times.filter((at) => at >= from && at < from + 10).length;
          assert.ok(within <= count, `${within} starts from start ${index} on`);
        }
      },
    ),
  );
});

test("the newest jobs of a key that there is room for stay, older ones make way", () => {
  const jobs = ["a", "b", "c", "d"].map((id) => ({ id: id as JobId }));
  const superseded = (id: string, limit: number) =>
    supersededJobs(jobs, {
      id: id as JobId,
      concurrency: { key: "k", limit, onConflict: "cancel_in_progress" },
    }).map((job) => job.id);
  assert.deepEqual(superseded("d", 1), ["a", "b", "c"]);
  assert.deepEqual(superseded("d", 3), ["a"]);
  assert.deepEqual(superseded("b", 1), ["a"], "those that came after it stay");
  assert.deepEqual(superseded("a", 1), []);
  assert.deepEqual(superseded("d", 9), []);
  assert.deepEqual(superseded("unknown", 1), []);
});

test("asking for a start costs the same however many jobs have asked before", () => {
  let lookCount = 0;
  const countsUntil = new Date(START.getTime() + 1_000);
  const starts = Array.from({ length: 100 }, () => ({
    tenantId: DEFAULT_TENANT_ID,
    key: "api",
    at: START,
    get countsUntil() {
      lookCount += 1;
      return countsUntil;
    },
  }));
  const looksOf = (askCount: number): number => {
    lookCount = 0;
    const ledger = new LimitLedger({ ...NO_LIMIT_USAGE, starts }, UNLIMITED);
    const job = aLimited({ rateLimit: { key: "api", count: 1_000, perMs: 1_000 } });
    for (let asked = 0; asked < askCount; asked += 1) {
      assert.equal(ledger.obstacle(job), undefined);
      ledger.take(job);
    }
    return lookCount;
  };
  assert.equal(looksOf(100), looksOf(1));
});

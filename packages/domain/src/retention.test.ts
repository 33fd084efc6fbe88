import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { TenantId } from "./ids.ts";
import {
  checkRetention,
  keptUntil,
  type RetentionRules,
  shortestRetentionMs,
} from "./retention.ts";

const DAY_MS = 86_400_000;
const [ANN, BEN] = ["ann" as TenantId, "ben" as TenantId];

const RULES: RetentionRules = {
  serverMs: 30 * DAY_MS,
  poolsMs: new Map([["gpu", 7 * DAY_MS]]),
  tenantsMs: new Map([[ANN, 3 * DAY_MS]]),
  maxMs: 20 * DAY_MS,
  tenantMaxMs: new Map([[ANN, 400 * DAY_MS]]),
};
const finishedAt = new Date("2026-03-10T12:00:00Z");
const ended = { tenantId: BEN, finishedAt, retentionMs: null, pool: null };

test("the job's own wish decides, else its pool, else its tenant, else the server", () => {
  const day = (parts: Partial<Parameters<typeof keptUntil>[1]>) =>
    keptUntil(RULES, { ...ended, ...parts })
      .toISOString()
      .slice(0, 10);
  assert.equal(day({}), "2026-04-09");
  assert.equal(day({ tenantId: ANN }), "2026-03-13");
  assert.equal(day({ tenantId: ANN, pool: "cpu" }), "2026-03-13");
  assert.equal(day({ tenantId: ANN, pool: "gpu" }), "2026-03-17");
  assert.equal(day({ tenantId: ANN, pool: "gpu", retentionMs: DAY_MS }), "2026-03-11");
  assert.equal(shortestRetentionMs(RULES), 3 * DAY_MS);
});

test("a job is never kept for less, and the days on which jobs go stay few", () => {
  const anyRetention = fc.integer({ min: 1, max: 3_650 * DAY_MS });
  fc.assert(
    fc.property(fc.array(anyRetention, { minLength: 200, maxLength: 400 }), (retentions) => {
      const days = new Set<string>();
      for (const retentionMs of retentions) {
        const until = keptUntil(RULES, { ...ended, retentionMs });
        const moreMs = until.getTime() - finishedAt.getTime() - retentionMs;
        assert.ok(moreMs >= 0);
        assert.ok(
          moreMs <=
            (retentionMs <= 31 * DAY_MS ? 0 : retentionMs <= 366 * DAY_MS ? 31 : 366) * DAY_MS,
        );
        days.add(until.toISOString().slice(0, 10));
      }
      assert.ok(days.size <= 32 + 13 + 10, `${days.size}`);
    }),
  );
  const start = new Date("2026-04-01T00:00:00Z");
  const exact = { ...ended, finishedAt: new Date(start.getTime() - 90 * DAY_MS) };
  assert.deepEqual(keptUntil(RULES, { ...exact, retentionMs: 90 * DAY_MS }), start);
});

test("a spec asks for what its tenant may have", () => {
  const check = (tenantId: TenantId, days: number | null) =>
    checkRetention(RULES, tenantId, { retentionMs: days === null ? null : days * DAY_MS });
  check(BEN, null);
  check(BEN, 20);
  check(ANN, 400);
  assert.throws(() => check(BEN, 21), { code: "invalid_argument", reason: "retention_too_long" });
  assert.throws(() => check(ANN, 401), { code: "invalid_argument" });
});

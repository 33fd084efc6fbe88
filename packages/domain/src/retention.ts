import { PlatformError } from "./errors.ts";
import type { TenantId } from "./ids.ts";
import type { JobSpec } from "./job-spec.ts";

const DAY_MS = 86_400_000;

/** Up to here a job goes with the day on which its time is over. */
const BY_DAY_MS = 31 * DAY_MS;
/** Up to here with the first day of the month after, beyond with that of the year after. */
const BY_MONTH_MS = 366 * DAY_MS;

/** How long jobs are kept after their end, by whose they are; the first that is known of job, pool, tenant and server. */
export interface RetentionRules {
  readonly serverMs: number;
  /** By the names of the pools, of jobs whose last attempt was on a worker of the pool. */
  readonly poolsMs: ReadonlyMap<string, number>;
  readonly tenantsMs: ReadonlyMap<TenantId, number>;
  /** The longest that a spec may ask for. */
  readonly maxMs: number;
  /** The same of single tenants. */
  readonly tenantMaxMs: ReadonlyMap<TenantId, number>;
}

/** What decides how long a job is kept. */
export interface EndedJob {
  readonly tenantId: TenantId;
  readonly finishedAt: Date;
  /** What its spec asks for; `null`: nothing. */
  readonly retentionMs: number | null;
  /** Of the worker of its last attempt; `null`: it had none. */
  readonly pool: string | null;
}

/**
 * When an ended job may go, at the earliest: it goes with the whole day (UTC) that has this instant. Far times are rounded up, to the start
 * of a month or of a year, so that the days on which jobs go are few however differently they are kept: 32 days, 13 months, and the years.
 */
export function keptUntil(rules: RetentionRules, job: EndedJob): Date {
  const { tenantId, finishedAt, retentionMs, pool } = job;
  const ofPool = pool === null ? undefined : rules.poolsMs.get(pool);
  const ms = retentionMs ?? ofPool ?? rules.tenantsMs.get(tenantId) ?? rules.serverMs;
  const until = new Date(finishedAt.getTime() + ms);
  if (ms <= BY_DAY_MS) return until;
  return ms <= BY_MONTH_MS ? ceilToMonths(until, 1) : ceilToMonths(until, 12);
}

/** The shortest that a rule says, whatever specs ask for. */
export function shortestRetentionMs({ serverMs, poolsMs, tenantsMs }: RetentionRules): number {
  return Math.min(serverMs, ...poolsMs.values(), ...tenantsMs.values());
}

/** @throws PlatformError `invalid_argument`, reason `retention_too_long` */
export function checkRetention(
  { maxMs, tenantMaxMs }: RetentionRules,
  tenantId: TenantId,
  { retentionMs }: Pick<JobSpec, "retentionMs">,
): void {
  const max = tenantMaxMs.get(tenantId) ?? maxMs;
  if (retentionMs === null || retentionMs <= max) return;
  const message = `retention.job: ${retentionMs} ms is too long; jobs of ${tenantId} may ask for ${max} ms at most`;
  throw new PlatformError("invalid_argument", "retention_too_long", message);
}

/** The first start of a month (UTC) at `at` or after it whose number is a multiple of `months`, January being 0. */
function ceilToMonths(at: Date, months: number): Date {
  const month = Math.floor(at.getUTCMonth() / months) * months;
  const start = new Date(Date.UTC(at.getUTCFullYear(), month));
  return start.getTime() === at.getTime()
    ? start
    : new Date(Date.UTC(at.getUTCFullYear(), month + months));
}

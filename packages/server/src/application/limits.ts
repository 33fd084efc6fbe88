import {
  type Clock,
  type Job,
  type Limited,
  type LimitKey,
  LimitLedger,
  type LimitLock,
  type LimitReader,
} from "@hodei/domain";
import type { Settings } from "./settings.ts";

/** What an application asks of limits: the time, and those that are set for all. */
interface LimitDeps {
  readonly clock: Clock;
  readonly settings: Pick<Settings, "tenantJobsMax">;
}

export const limitsOf = ({ id, tenantId, policy }: Job): Limited => {
  const { concurrency, rateLimit } = policy;
  return { jobId: id, tenantId, concurrency, rateLimit };
};

/** What counts now against the limits of `jobs`. Asks nothing of the database if nothing limits them. */
export async function readLedger(
  { clock, settings: { tenantJobsMax } }: LimitDeps,
  reader: LimitReader,
  jobs: readonly Limited[],
): Promise<LimitLedger> {
  const now = clock.now();
  const tenantIds =
    tenantJobsMax === null ? [] : [...new Set(jobs.map(({ tenantId }) => tenantId))];
  const [holders, starts, heldCounts] = await Promise.all([
    reader.listHolders(concurrencyKeys(jobs)),
    reader.listStarts(rateKeys(jobs), now),
    reader.countHeld(tenantIds),
  ]);
  return new LimitLedger({ holders, starts, heldCounts }, { now, tenantJobsMax });
}

/** What has to be held while `jobs` are given places. */
export function limitLocks(
  { settings }: Pick<LimitDeps, "settings">,
  jobs: readonly Limited[],
): readonly LimitLock[] {
  const tenants = settings.tenantJobsMax === null ? [] : jobs;
  return [
    ...concurrencyLocks(jobs),
    ...rateKeys(jobs).map((key): LimitLock => ({ kind: "rate", ...key })),
    ...tenants.map(({ tenantId }): LimitLock => ({ kind: "tenant", tenantId, key: "" })),
  ];
}

/** What has to be held while `jobs` are counted under their concurrency keys. */
export function concurrencyLocks(jobs: readonly Limited[]): readonly LimitLock[] {
  return concurrencyKeys(jobs).map((key) => ({ kind: "concurrency", ...key }));
}

function concurrencyKeys(jobs: readonly Limited[]): readonly LimitKey[] {
  return jobs.flatMap(({ tenantId, concurrency }) =>
    concurrency === null ? [] : [{ tenantId, key: concurrency.key }],
  );
}

function rateKeys(jobs: readonly Limited[]): readonly LimitKey[] {
  return jobs.flatMap(({ tenantId, rateLimit }) =>
    rateLimit === null ? [] : [{ tenantId, key: rateLimit.key }],
  );
}

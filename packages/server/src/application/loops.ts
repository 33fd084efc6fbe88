import type { Component } from "@hodei/domain";
import { deliveryLoop } from "./deliver-events.ts";
import type { Deps } from "./deps.ts";
import { dispatchAssignments, dispatchDrains } from "./dispatch-assignments.ts";
import { FencedDatabase, type Leadership } from "./fenced-database.ts";
import { keepRecords } from "./keep-records.ts";
import { FinishedJobsMove } from "./move-finished-jobs.ts";
import { Provisioner } from "./provision-workers.ts";
import {
  endSilentSessions,
  reapQueueTimeouts,
  reapStuckCancels,
  reapUnacknowledged,
  reapWorkers,
} from "./reap.ts";
import { reconcileSessions } from "./reconcile-sessions.ts";
import { Reconciler } from "./reconciler.ts";
import { DependentsRelease } from "./release-dependents.ts";
import { scheduleJobs } from "./schedule-jobs.ts";
import type { Settings } from "./settings.ts";
import type { Topic } from "./signals.ts";

/** Days pass slowly: this is how late one may go. */
const KEEP_INTERVAL_MS = 60_000;

/**
 * Between two looks at what the pools need: each reads all that waits, and short jobs come and go by the hundred a second.
 * The first is at once.
 */
const PROVISION_SPACING_MS = 250;

/** Between two looks at how the workers do, on every replica. Scores may be as old. */
const OBSERVE_INTERVAL_MS = 10_000;

/** Between two looks at what has ended: short jobs end by the hundred a second. The first is at once. */
const RELEASE_SPACING_MS = 50;

/** Every loop of one replica. Those of the leader rest elsewhere and take over when it dies. */
export function createLoops(deps: Deps, leadership: Leadership): readonly Component[] {
  const { pollIntervalMs: intervalMs } = deps.settings;
  const always = () => true;
  const loop = (
    name: string,
    topics: readonly Topic[],
    enabled: () => boolean,
    run: () => Promise<Date | undefined>,
    spacingMs = 0,
  ) => new Reconciler(deps, { name, topics, intervalMs, spacingMs, enabled, run });
  const led = (
    name: string,
    topics: readonly Topic[],
    prepare: (deps: Deps) => () => Promise<Date | undefined>,
    spacingMs = 0,
  ) => {
    const database = new FencedDatabase(deps.database, leadership);
    const run = prepare({ ...deps, database });
    return loop(name, topics, () => database.beginTurn(), run, spacingMs);
  };
  const leads = () => leadership.epoch() !== undefined;
  const observer = { name: "observe-workers", topics: [], intervalMs: OBSERVE_INTERVAL_MS };
  const keeper = { name: "keep-records", topics: [], intervalMs: KEEP_INTERVAL_MS, enabled: leads };
  return [
    new Reconciler(deps, {
      ...{ name: "renew-replica", topics: [], intervalMs: renewalIntervalMs(deps.settings) },
      ...{ enabled: always, run: () => renewReplica(deps) },
    }),
    led("schedule", ["due", "workers"], (own) => () => scheduleJobs(own)),
    led(
      "release-dependents",
      ["due"],
      (own) => {
        const release = new DependentsRelease(own);
        return () => release.run();
      },
      RELEASE_SPACING_MS,
    ),
    loop("dispatch", ["held", "workers"], always, () => dispatchAssignments(deps)),
    loop("dispatch-drains", ["workers"], always, () => dispatchDrains(deps)),
    led(
      "provision",
      ["due", "workers"],
      (own) => {
        const provisioner = new Provisioner(own);
        return () => provisioner.run();
      },
      PROVISION_SPACING_MS,
    ),
    loop("end-silent-sessions", [], always, () => endSilentSessions(deps)),
    loop("reconcile-sessions", [], always, () => reconcileSessions(deps)),
    led("reap-workers", ["workers"], (own) => () => reapWorkers(own)),
    led("reap-unacknowledged", [], (own) => () => reapUnacknowledged(own)),
    led("reap-stuck-cancels", [], (own) => () => reapStuckCancels(own)),
    led("reap-queue-timeouts", [], (own) => () => reapQueueTimeouts(own)),
    led("move-finished-jobs", [], (own) => {
      const move = new FinishedJobsMove(own);
      return () => move.run();
    }),
    new Reconciler(deps, {
      ...observer,
      enabled: always,
      run: async () => {
        await deps.workerHistory.observe(deps);
        return undefined;
      },
    }),
    new Reconciler(deps, { ...keeper, run: () => keepRecords(deps) }),
    ...deps.subscriptions.map((subscription) => deliveryLoop(deps, subscription)),
  ];
}

/**
 * A pause between two renewals must not look like an absence of the database, which begins after a worker's grace: else
 * the time of every worker that is gone would begin anew with each, and none would ever be lost.
 */
function renewalIntervalMs({
  pollIntervalMs,
  reconnectGraceMs,
}: Pick<Settings, "pollIntervalMs" | "reconnectGraceMs">): number {
  return Math.min(pollIntervalMs, reconnectGraceMs / 4);
}

async function renewReplica({
  database,
  clock,
  replicaId,
  uptime,
  settings,
}: Pick<Deps, "database" | "clock" | "replicaId" | "uptime" | "settings">): Promise<undefined> {
  const askedAt = clock.now();
  await database.transact(({ replicas }) => replicas.renew(replicaId, clock.now()));
  uptime.confirm(askedAt, clock.now(), settings.reconnectGraceMs);
}

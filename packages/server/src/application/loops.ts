import type { Component } from "@hodei/domain";
import type { Deps } from "./deps.ts";
import { dispatchAssignments, dispatchDrains } from "./dispatch-assignments.ts";
import { keepRecords } from "./keep-records.ts";
import { Provisioner } from "./provision-workers.ts";
import { endSilentSessions, reapQueueTimeouts, reapUnacknowledged, reapWorkers } from "./reap.ts";
import { reconcileSessions } from "./reconcile-sessions.ts";
import { Reconciler } from "./reconciler.ts";
import { scheduleJobs } from "./schedule-jobs.ts";
import type { Topic } from "./signals.ts";
import { deliver, wakeLoops } from "./subscriptions.ts";

/** Days pass slowly: this is how late one may go. */
const KEEP_INTERVAL_MS = 60_000;

/** Whether this replica leads: it alone schedules, provisions and reaps. */
export interface Leadership {
  held(): boolean;
}

/** Every loop of one replica. Those of the leader rest elsewhere and take over when it dies. */
export function createLoops(deps: Deps, leadership: Leadership): readonly Component[] {
  const { pollIntervalMs: intervalMs } = deps.settings;
  const always = () => true;
  const leads = () => leadership.held();
  const provisioner = new Provisioner(deps);
  const subscription = wakeLoops(deps);
  const loop = (
    name: string,
    topics: readonly Topic[],
    enabled: () => boolean,
    run: () => Promise<Date | undefined>,
  ) => new Reconciler(deps, { name, topics, intervalMs, enabled, run });
  const keeper = { name: "keep-records", topics: [], intervalMs: KEEP_INTERVAL_MS, enabled: leads };
  return [
    loop("renew-replica", [], always, () => renewReplica(deps)),
    loop("schedule", ["jobs", "workers"], leads, () => scheduleJobs(deps)),
    loop("dispatch", ["jobs", "workers"], always, () => dispatchAssignments(deps)),
    loop("dispatch-drains", ["workers"], always, () => dispatchDrains(deps)),
    loop("provision", ["jobs", "workers"], leads, () => provisioner.run()),
    loop("end-silent-sessions", [], always, () => endSilentSessions(deps)),
    loop("reconcile-sessions", [], always, () => reconcileSessions(deps)),
    loop("reap-workers", ["workers"], leads, () => reapWorkers(deps)),
    loop("reap-unacknowledged", [], leads, () => reapUnacknowledged(deps)),
    loop("reap-queue-timeouts", [], leads, () => reapQueueTimeouts(deps)),
    loop("deliver-events", ["events"], leads, () => deliver(deps, subscription)),
    new Reconciler(deps, { ...keeper, run: () => keepRecords(deps) }),
  ];
}

async function renewReplica(
  deps: Pick<Deps, "database" | "clock" | "replicaId">,
): Promise<undefined> {
  await deps.database.transact(({ replicas }) => replicas.renew(deps.replicaId, deps.clock.now()));
}

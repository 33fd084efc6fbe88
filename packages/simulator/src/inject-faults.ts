import { DEFAULT_TENANT_ID, isPlatformError, type WorkerId } from "@hodei/domain";
import { drainWorker } from "@hodei/server/application";
import type { Cluster } from "./cluster.ts";
import type { FaultKind } from "./faults.ts";
import type { Machines } from "./machines.ts";
import type { NetworkStream } from "./network-stream.ts";
import type { RandomStream } from "./random.ts";
import type { Replica } from "./replica.ts";
import type { SimulatedWorker } from "./simulated-worker.ts";
import type { World } from "./world.ts";

const OPERATOR = {
  name: "operator",
  tenantId: DEFAULT_TENANT_ID,
  requestId: "request",
  correlationId: "simulated",
};

interface Targets {
  readonly world: World;
  readonly cluster: Cluster;
  readonly machines: Machines;
}

/** Sets off the scenario's faults, each at its time. One that finds nobody to strike passes. */
export function injectFaults(targets: Targets): void {
  const { world, cluster, machines } = targets;
  for (const { name, kind, atMs, durationMs } of world.scenario.faults) {
    const random = world.random.split(`fault/${name}`);
    world.clock.schedule(atMs, () => {
      world.trace.add("fault", `${kind} for ${durationMs} ms`);
      const worker = pickWorker(machines, random);
      const replica = random.pick(cluster.replicas);
      STRIKES[kind]({ ...targets, durationMs, random, worker, replica, stream: worker?.stream });
    });
  }
}

/** Mostly one that is busy: there is more to go wrong. */
function pickWorker({ workers }: Machines, random: RandomStream): SimulatedWorker | undefined {
  const busy = workers.filter(({ isBusy }) => isBusy);
  const isAny = busy.length === 0 || random.chance(ANY_WORKER_PROBABILITY);
  return random.pick(isAny ? workers : busy);
}

const ANY_WORKER_PROBABILITY = 0.25;

/** One fault at its moment, with whom it may strike. */
interface Strike extends Targets {
  readonly durationMs: number;
  readonly random: RandomStream;
  readonly worker: SimulatedWorker | undefined;
  readonly replica: Replica | undefined;
  readonly stream: NetworkStream | undefined;
}

const STRIKES: Readonly<Record<FaultKind, (strike: Strike) => void>> = {
  worker_crash: ({ machines, worker, durationMs }) =>
    worker && machines.restart(worker, durationMs),
  worker_pause: ({ worker, durationMs }) => worker?.pause(durationMs),
  machine_death: ({ machines, worker }) => worker && machines.kill(worker),
  worker_drain: ({ world, cluster, worker }) =>
    worker && world.follow("operator", drain(cluster, worker.workerId)),
  stream_reset: ({ stream }) => stream?.reset(),
  stream_silence: ({ stream }) => stream?.silence(),
  stream_stall: ({ stream, durationMs }) => stream?.stall(durationMs),
  replica_crash: ({ cluster, replica, durationMs }) =>
    replica && cluster.crash(replica, durationMs),
  replica_stop: ({ cluster, replica, durationMs }) => replica && cluster.stop(replica, durationMs),
  replica_cut_off: ({ replica, durationMs }) => {
    replica?.link.cutOff.holdFor(durationMs);
    replica?.loseLeadership(0);
  },
  clock_jump: ({ world, replica, random, durationMs }) =>
    replica && jumpClock(world, replica, random.chance(0.5) ? durationMs : -durationMs),
  leader_change: ({ cluster }) => cluster.changeLeader(),
  database_down: ({ world, cluster, durationMs }) => {
    world.conditions.databaseDown.holdFor(durationMs);
    cluster.changeLeader();
  },
  answers_lost: ({ world, durationMs }) => world.conditions.answersLost.holdFor(durationMs),
  notifications_lost: ({ world, durationMs }) =>
    world.conditions.notificationsLost.holdFor(durationMs),
  transactions_repeated: ({ world, durationMs }) =>
    world.conditions.transactionsRepeated.holdFor(durationMs),
  provider_failure: ({ machines }) => machines.failProvider(),
};

/** The clock is put right again at the end of the fault. */
function jumpClock({ clock, trace }: World, replica: Replica, ms: number): void {
  trace.add("fault", `the clock of ${replica.name} jumps by ${ms} ms`);
  replica.clock.jump(ms);
  clock.schedule(Math.abs(ms), () => replica.clock.jump(-ms));
}

/** Asks once; whether it was done does not matter here. */
async function drain(cluster: Cluster, workerId: WorkerId): Promise<void> {
  try {
    await cluster.call((deps) => drainWorker(deps, OPERATOR, workerId));
  } catch (error) {
    if (!isPlatformError(error, "unavailable")) throw error;
  }
}

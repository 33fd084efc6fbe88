import type { Database, EventRecord, WorkerId } from "@hodei/domain";
import { FakeProvider, MemoryDatabase, MemoryLogStore, START } from "@hodei/testkit";
import { Client } from "./client.ts";
import { Cluster } from "./cluster.ts";
import { createConditions } from "./conditions.ts";
import { History } from "./history.ts";
import { injectFaults } from "./inject-faults.ts";
import { isJobEnd } from "./job-ends.ts";
import { Machines } from "./machines.ts";
import type { RandomStream } from "./random.ts";
import type { Scenario } from "./scenario.ts";
import { SimulatedNetwork } from "./simulated-network.ts";
import { Trace } from "./trace.ts";
import { VirtualClock } from "./virtual-clock.ts";
import type { Wiring, World } from "./world.ts";

/** A scenario with everything it needs, before its first instant. */
export interface Simulation {
  readonly world: World;
  /** What is stored, past everything that may be broken. */
  readonly database: Database;
  /** Sets everything going; it goes when the world's clock does. */
  start(): void;
  /** Whether all was asked for and has ended. */
  isDone(): boolean;
}

export function createSimulation(
  scenario: Scenario,
  random: RandomStream,
  breakWiring: (wiring: Wiring) => Wiring,
): Simulation {
  const clock = new VirtualClock(START);
  const trace = new Trace(clock);
  const history = new History();
  let unfinishedCount = 0;
  const database = new MemoryDatabase({
    onCommit: (events, inserted) => {
      for (const event of events) {
        recordEvent({ clock, trace, history }, event);
        if (event.type === "job.created") unfinishedCount += 1;
        if (isJobEnd(event.type)) unfinishedCount -= 1;
      }
      cluster.onCommit(events, inserted);
    },
  });
  const provided = new Map<WorkerId, "alive" | "dead">();
  const provider = new FakeProvider({
    machines: provided,
    onProvision: (request) => machines.provisioned(request),
    onEnd: (workerId) => machines.ended(workerId),
  });
  const logs = new MemoryLogStore({ database });
  const world: World = {
    scenario,
    clock,
    trace,
    history,
    random,
    conditions: createConditions(clock),
    wiring: breakWiring({ database, logs, provider, receive: async (_, message) => message }),
    follow: (event, work) => {
      const failed = (error: unknown) =>
        history.failures.push({ atMs: clock.elapsedMs, event, error });
      work.catch(failed);
    },
  };
  const cluster = new Cluster(world);
  const network = new SimulatedNetwork(world, () => cluster.replicas);
  const machines = new Machines(world, { cluster, network, provider, provided });
  const client = new Client(world, cluster);
  return {
    world,
    database,
    start: () => {
      for (const part of [cluster, machines, client]) part.start();
      injectFaults({ world, cluster, machines });
    },
    isDone: () => client.isSatisfied && unfinishedCount === 0,
  };
}

function recordEvent(
  { clock, trace, history }: Pick<World, "clock" | "trace" | "history">,
  { type, version, subjectId, data }: EventRecord,
): void {
  const subjects = typeof data.workerId === "string" ? [subjectId, data.workerId] : [subjectId];
  trace.add("commit", `${type} ${version} ${JSON.stringify(data)}`, ...subjects);
  if (type !== "worker.lost") return;
  history.losses.push({ atMs: clock.elapsedMs, workerId: subjectId as WorkerId });
}

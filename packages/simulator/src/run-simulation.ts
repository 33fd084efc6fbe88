import { type EventRecord, isTerminal, type JobState, type WorkerId } from "@hodei/domain";
import { FakeProvider, MemoryDatabase, MemoryLogStore, START } from "@hodei/testkit";
import { checkRun } from "./checkers/check-run.ts";
import { Client } from "./client.ts";
import { Cluster } from "./cluster.ts";
import { createConditions } from "./conditions.ts";
import { readStored, type Violation } from "./finished-run.ts";
import { History } from "./history.ts";
import { injectFaults } from "./inject-faults.ts";
import { Machines } from "./machines.ts";
import { RandomStream } from "./random.ts";
import { planScenario, type Scenario } from "./scenario.ts";
import { SimulatedNetwork } from "./simulated-network.ts";
import { Trace } from "./trace.ts";
import { VirtualClock } from "./virtual-clock.ts";
import type { Wiring, World } from "./world.ts";

export interface SimulationOptions {
  /** Any whole number. Same seed, same code: same trace. */
  readonly seed: number;
  /** Changes what the seed stands for. Default: nothing is changed. */
  readonly adjust?: (scenario: Scenario) => Scenario;
  /** Breaks what replicas work on, to see that checkers notice. Default: nothing is broken. */
  readonly breakWiring?: (wiring: Wiring) => Wiring;
}

export interface SimulationResult {
  readonly ok: boolean;
  readonly violations: readonly Violation[];
  readonly trace: Trace;
  readonly stats: SimulationStats;
}

export interface SimulationStats {
  readonly jobs: number;
  readonly attempts: number;
  readonly faults: number;
  readonly virtualMs: number;
}

/** How long a run goes on after its last job has ended: what is late comes then. */
const AFTERMATH_MS = 15_000;

/** Runs the real use cases and loops through one seed's scenario, and judges what came of it. */
export async function runSimulation({
  seed,
  adjust = (scenario) => scenario,
  breakWiring = (wiring) => wiring,
}: SimulationOptions): Promise<SimulationResult> {
  const random = new RandomStream(`seed/${seed}`);
  const scenario = adjust(planScenario(random));
  const clock = new VirtualClock(START);
  const trace = new Trace(clock);
  const history = new History();
  const unfinished = new UnfinishedJobs();
  const database = new MemoryDatabase({
    onCommit: (events) => {
      for (const event of events) record(event);
      cluster.onCommit(events);
    },
  });
  const record = (event: EventRecord) => {
    const { type, version, subjectId, data } = event;
    trace.add("commit", `${type} ${version} ${JSON.stringify(data)}`, ...subjectsOf(event));
    unfinished.count(type);
    if (type !== "worker.lost") return;
    history.losses.push({ atMs: clock.elapsedMs, workerId: subjectId as WorkerId });
  };
  const logs = new MemoryLogStore({ database });
  const provided = new Map<WorkerId, "alive" | "dead">();
  const provider = new FakeProvider({
    machines: provided,
    onProvision: (request) => machines.provisioned(request),
    onEnd: (workerId) => machines.ended(workerId),
  });
  const world: World = {
    scenario,
    clock,
    trace,
    history,
    random,
    conditions: createConditions(clock),
    wiring: breakWiring({
      database,
      logs,
      provider,
      receive: async (_workerId, message) => message,
    }),
    follow: (event, work) => {
      work.catch((error: unknown) =>
        history.failures.push({ atMs: clock.elapsedMs, event, error }),
      );
    },
  };
  const cluster = new Cluster(world);
  const network = new SimulatedNetwork(world, () => cluster.replicas);
  const machines = new Machines(world, { cluster, network, provider, provided });
  const client = new Client(world, cluster);
  cluster.start();
  machines.start();
  client.start();
  injectFaults({ world, cluster, machines });

  const { activeMs, timing } = scenario;
  await clock.run(activeMs, () => false);
  const isDone = () => client.isSatisfied && unfinished.isEmpty;
  await clock.run(activeMs + timing.keptWithinMs, isDone);
  await clock.run(clock.elapsedMs + AFTERMATH_MS, () => false);

  const stored = await readStored(database, world.wiring.logs);
  const violations = checkRun({ ...stored, scenario, history });
  const stats = {
    jobs: stored.jobs.size,
    attempts: [...stored.attempts.values()].flat().length,
    faults: scenario.faults.length,
    virtualMs: clock.elapsedMs,
  };
  return { ok: violations.length === 0, violations, trace, stats };
}

/** How many jobs have not ended, by the events. */
class UnfinishedJobs {
  #count = 0;

  get isEmpty(): boolean {
    return this.#count === 0;
  }

  count(eventType: string): void {
    if (eventType === "job.created") this.#count += 1;
    const [subject, type] = eventType.split(".");
    if (subject === "job" && isEndType(type)) this.#count -= 1;
  }
}

const END_STATES: readonly string[] = [
  "succeeded",
  "failed",
  "cancelled",
  "timed_out",
] satisfies JobState[];

const isEndType = (type: string | undefined): boolean =>
  type !== undefined && END_STATES.includes(type) && isTerminal(type as JobState);

function subjectsOf({ subjectId, data }: EventRecord): string[] {
  return typeof data.workerId === "string" ? [subjectId, data.workerId] : [subjectId];
}

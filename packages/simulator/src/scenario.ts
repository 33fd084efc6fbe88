import {
  type Capacity,
  type Concurrency,
  createJobSpec,
  type DependencyCondition,
  type JobSpec,
  type Pool,
} from "@hodei/domain";
import { DEFAULT_SETTINGS, type Settings } from "@hodei/server/application";
import { type Fault, pickFaultKinds, planFaults } from "./faults.ts";
import { type Program, toCommand } from "./program.ts";
import type { RandomStream } from "./random.ts";

/** What one seed stands for: everything that is decided before the run. */
export interface Scenario {
  readonly replicaCount: number;
  readonly timing: Timing;
  readonly pool: Pool;
  /** One worker that joins by itself for each. */
  readonly joined: readonly Capacity[];
  readonly requests: readonly Request[];
  readonly faults: readonly Fault[];
  /** Faults and requests come within this time; then all heals. */
  readonly activeMs: number;
}

export interface Timing {
  readonly settings: Settings;
  /** Longest pause of a worker between two tries to connect. */
  readonly reconnectMaxMs: number;
  /** Every job has ended this long after faults have stopped. */
  readonly keptWithinMs: number;
}

/** A job that the client wants run. */
export interface Request {
  readonly name: string;
  readonly atMs: number;
  readonly spec: JobSpec;
  /** How jobs have to end that the job waits for: of the latest that the client knows by then, so many. */
  readonly conditions: readonly DependencyCondition[];
  /** `null`: after an unclear answer the client may make a second job. */
  readonly idempotencyKey: string | null;
  /** When the client changes its mind, after the answer. `null`: never. */
  readonly cancelAfterMs: number | null;
  /** Whether the client asks for the same again at the end. */
  readonly isRunAgain: boolean;
  /** Whether the client waits on a stream of the job's states, or asks now and then. */
  readonly isWatched: boolean;
  /** Whether the client follows the job's log. */
  readonly isTailed: boolean;
}

/** As in production. */
const DEFAULT_TIMING: Timing = {
  settings: DEFAULT_SETTINGS,
  reconnectMaxMs: 60_000,
  keptWithinMs: 600_000,
};

/** Everything five times as quick: more happens between two faults. */
const QUICK_TIMING: Timing = {
  settings: {
    ...DEFAULT_SETTINGS,
    heartbeatIntervalMs: 1_000,
    workerSilenceMs: 3_000,
    reconnectGraceMs: 1_500,
    orphanGraceMs: 15_000,
    provisionTimeoutMs: 12_000,
    lostRetentionMs: 12_000,
    acknowledgeTimeoutMs: 2_000,
    finishedSettleMs: 500,
    replicaTtlMs: 3_000,
    pollIntervalMs: 500,
  },
  reconnectMaxMs: 10_000,
  keptWithinMs: 600_000, // one small worker takes jobs of 25 s one after the other, with their retries
};

const ACTIVE_MS = 60_000;
const OTHERS = { gpuCount: 0, attemptCount: 100 };
const LARGE: Capacity = {
  cpuMillis: 4_000,
  memoryBytes: 2 ** 32,
  diskBytes: 2 ** 36,
  ...OTHERS,
};
const SMALL: Capacity = {
  cpuMillis: 1_000,
  memoryBytes: 2 ** 31,
  diskBytes: 2 ** 35,
  ...OTHERS,
};

export function planScenario(random: RandomStream): Scenario {
  const shape = random.split("shape");
  const requests = random.split("requests");
  const faults = random.split("faults");
  const count = shape.chance(CALM_PROBABILITY) ? 0 : shape.integer(1, 25);
  return {
    replicaCount: shape.integer(1, 3),
    timing: shape.chance(0.5) ? QUICK_TIMING : DEFAULT_TIMING,
    pool: planPool(shape.split("pool")),
    joined: Array.from({ length: shape.integer(0, 2) }, () => (shape.chance(0.5) ? LARGE : SMALL)),
    requests: [
      ...Array.from({ length: shape.integer(10, 30) }, (_, index) =>
        planRequest(requests.split(String(index)), `request-${index + 1}`),
      ),
      ...planCrowd(requests.split("crowd")),
    ],
    faults: planFaults(faults, { kinds: pickFaultKinds(faults), count, untilMs: ACTIVE_MS }),
    activeMs: ACTIVE_MS,
  };
}

function planPool(random: RandomStream): Pool {
  const oneJob = random.chance(0.2);
  return {
    name: "default",
    provider: "fake",
    minWorkers: random.integer(0, 1),
    // One job after the other would take longer than jobs may wait.
    maxWorkers: oneJob ? random.integer(6, 10) : random.integer(1, 3),
    warmWorkers: random.integer(0, 1),
    idleTimeoutMs: random.chance(0.5) ? random.integer(1_000, 20_000) : null,
    lifetimeMs: random.chance(0.3) ? random.integer(5_000, 60_000) : null,
    oneJob,
    maxStartsPerMinute: oneJob ? 60 : random.integer(3, 60),
    template: { arch: "x64", labels: {}, capacity: random.chance(0.5) ? LARGE : SMALL },
  };
}

/** Share of seeds in which nothing goes wrong. */
const CALM_PROBABILITY = 0.05;

function planRequest(random: RandomStream, name: string): Request {
  return {
    name,
    atMs: random.integer(0, ACTIVE_MS * 0.75),
    spec: planSpec(random, name),
    conditions: planConditions(random.split("after")),
    idempotencyKey: random.chance(0.8) ? name : null,
    cancelAfterMs: random.chance(0.2) ? random.integer(0, 15_000) : null,
    isRunAgain: random.chance(0.05),
    isWatched: random.chance(0.5),
    isTailed: random.chance(0.3),
  };
}

function planSpec(random: RandomStream, name: string): JobSpec {
  const program = planProgram(random);
  const defaults = createJobSpec(toCommand(program));
  const isImpossible = random.chance(0.04);
  return {
    ...defaults,
    name,
    priority: random.integer(-2, 2) + planRank(random.split("rank")),
    preemptible: random.split("preemptible").chance(PREEMPTIBLE_PROBABILITY),
    requirements: {
      ...defaults.requirements,
      cpuMillis: random.pick([250, 500, 1_000]) ?? 1_000,
      memoryBytes: random.pick([0, 2 ** 29, 2 ** 30]) ?? 0,
      arch: isImpossible ? "arm64" : null,
    },
    timeouts: {
      queueMs: isImpossible || random.chance(0.1) ? random.integer(5_000, 40_000) : null,
      runMs: random.chance(0.15) ? random.integer(500, 10_000) : null,
      graceMs: random.integer(0, 3_000),
    },
    concurrency: planConcurrency(random.split("concurrency")),
    retryPolicy: {
      maxAttempts: random.integer(1, 4),
      baseDelayMs: random.integer(0, 2_000),
      maxDelayMs: 8_000,
      reasons: random.chance(0.2) ? ["worker_lost"] : [],
    },
  };
}

/** Jobs that fill the workers and may give up their places, and some that want those. */
function planCrowd(random: RandomStream): readonly Request[] {
  if (!random.chance(CROWD_PROBABILITY)) return [];
  const plan = (name: string, parts: CrowdParts): Request => ({
    name,
    atMs: random.integer(...parts.atMs),
    spec: planCrowdSpec(random, name, parts),
    conditions: [],
    idempotencyKey: name,
    cancelAfterMs: random.chance(0.1) ? random.integer(0, 15_000) : null,
    isRunAgain: false,
    isWatched: random.chance(0.5),
    isTailed: false,
  });
  const few = Array.from({ length: random.integer(2, 6) }, (_, index) =>
    plan(`urgent-${index + 1}`, { rank: 50, atMs: [2_000, 20_000], durationMs: [1, 3_000] }),
  );
  const many = Array.from({ length: random.integer(4, 12) }, (_, index) =>
    plan(`filler-${index + 1}`, { rank: -50, atMs: [0, 5_000], durationMs: [5_000, 15_000] }),
  );
  return [...few, ...many];
}

interface CrowdParts {
  readonly rank: number;
  readonly atMs: readonly [number, number];
  readonly durationMs: readonly [number, number];
}

function planCrowdSpec(
  random: RandomStream,
  name: string,
  { rank, durationMs }: CrowdParts,
): JobSpec {
  const program = {
    durationMs: random.integer(...durationMs),
    outputBytes: 100,
    writeCount: 2,
    failures: random.pick([0, 0, 2, 3]) ?? 0,
  };
  const defaults = createJobSpec(toCommand(program));
  return {
    ...defaults,
    name,
    priority: rank + random.integer(-6, 6),
    preemptible: rank < 0,
    timeouts: { ...defaults.timeouts, graceMs: random.integer(0, 3_000) },
    retryPolicy: { maxAttempts: 3, baseDelayMs: 100, maxDelayMs: 1_000, reasons: [] },
  };
}

/** Share of seeds in which there is a crowd. */
const CROWD_PROBABILITY = 0.4;

/** Share of the other jobs that may give up their places. */
const PREEMPTIBLE_PROBABILITY = 0.5;

/** Far enough apart for those of a higher one to take the place of others. */
const planRank = (random: RandomStream): number => random.pick([-50, 0, 0, 50]) ?? 0;

function planConcurrency(random: RandomStream): Concurrency | null {
  if (!random.chance(LIMITED_PROBABILITY)) return null;
  return {
    key: random.pick(["a", "b"]) ?? "a",
    limit: random.integer(1, 2),
    onConflict: random.pick(["queue", "queue", "cancel_in_progress", "drop_newest"]) ?? "queue",
  };
}

/** Share of jobs that take turns with others. */
const LIMITED_PROBABILITY = 0.3;

function planConditions(random: RandomStream): readonly DependencyCondition[] {
  if (!random.chance(DEPENDENT_PROBABILITY)) return [];
  const condition = () => random.pick(["succeeded", "failed", "any", "any"] as const) ?? "any";
  return Array.from({ length: random.integer(1, 3) }, condition);
}

/** Share of jobs that wait for others. */
const DEPENDENT_PROBABILITY = 0.25;

function planProgram(random: RandomStream): Program {
  const isLong = random.chance(0.25);
  return {
    durationMs: isLong ? random.integer(5_000, 30_000) : random.integer(1, 4_000),
    outputBytes: random.chance(0.2) ? 0 : random.integer(1, 3_000),
    writeCount: random.integer(1, 6),
    failures: random.chance(0.3) ? random.integer(1, 4) : 0,
  };
}

import type { Round } from "../result.ts";
import type { Row } from "../row.ts";
import { type Stack, withStack } from "../stack.ts";
import { graphileQueue } from "./control-plane/graphile-queue.ts";
import { hodeiQueue } from "./control-plane/hodei-queue.ts";
import { MeasuredQueue, type OpenQueue } from "./control-plane/job-queue.ts";
import { pgBossQueue } from "./control-plane/pg-boss-queue.ts";

const ROUND_COUNT = 3;
/** What a round of one queue takes, about: its warm-up tells how many jobs that is. */
const ROUND_MS = 2_000;
/** All are two to four times slower until their hot code is compiled. */
const WARM_UP_MS = 4_000;
const WARM_UP_JOB_COUNT = 1_000;

/** Batched as their documents advise for throughput. */
const PG_BOSS_BATCH_COUNT = 100;
const GRAPHILE_BATCHED = {
  concurrentJobs: 24,
  localQueue: { size: 500 },
  completeJobBatchDelay: 0,
  failJobBatchDelay: 0,
};

/** Each figure is Hodei's, beside another queue's. */
export const controlPlane: Row = {
  name: "control-plane",
  about:
    "jobs per second through created, assigned, running and succeeded, simulated workers over real sessions; against job queues on the same PostgreSQL",
  figures: [
    { name: "control-plane/pg-boss", unit: "jobs/s", target: atLeast(1) },
    { name: "control-plane/pg-boss-batched", unit: "jobs/s", target: atLeast(1) },
    { name: "control-plane/graphile", unit: "jobs/s", target: atLeast(3) },
    { name: "control-plane/graphile-batched", unit: "jobs/s", target: atLeast(1) },
  ],
  measure: (signal) => withStack({ workerCount: 0, signal }, (stack) => measure(stack, signal)),
};

function atLeast(limit: number) {
  return { kind: "ratio_at_least", limit } as const;
}

/** In the order of the figures. */
function baselines({ databaseUrl: connectionString }: Stack): readonly OpenQueue[] {
  return [
    pgBossQueue({ connectionString, schema: "boss", batchCount: 1 }),
    pgBossQueue({ connectionString, schema: "boss_batched", batchCount: PG_BOSS_BATCH_COUNT }),
    graphileQueue({
      connectionString,
      schema: "graphile",
      settings: { concurrentJobs: 10 },
    }),
    graphileQueue({ connectionString, schema: "graphile_batched", settings: GRAPHILE_BATCHED }),
  ];
}

async function measure(stack: Stack, signal: AbortSignal): Promise<readonly (readonly Round[])[]> {
  const rounds: (readonly Round[])[] = [];
  const subject = await Contender.open(hodeiQueue(stack, signal));
  try {
    await subject.warmUp(signal);
    // One after another, so that no queue polls while another is measured.
    for (const openQueue of baselines(stack)) {
      rounds.push(await compare(subject, await Contender.open(openQueue), signal));
    }
    return rounds;
  } finally {
    await subject.close();
  }
}

async function compare(
  subject: Contender,
  baseline: Contender,
  signal: AbortSignal,
): Promise<readonly Round[]> {
  try {
    await baseline.warmUp(signal);
    const rounds: Round[] = [];
    while (rounds.length < ROUND_COUNT) {
      rounds.push({ baseline: await baseline.run(), value: await subject.run() });
      signal.throwIfAborted();
    }
    return rounds;
  } finally {
    await baseline.close();
  }
}

/** A queue that is warmed up, with rounds as long as those of the others. */
class Contender {
  readonly #queue: MeasuredQueue;
  #roundCount = WARM_UP_JOB_COUNT;

  private constructor(queue: MeasuredQueue) {
    this.#queue = queue;
  }

  static async open(openQueue: OpenQueue): Promise<Contender> {
    return new Contender(await MeasuredQueue.open(openQueue));
  }

  async warmUp(signal: AbortSignal): Promise<void> {
    const untilMs = performance.now() + WARM_UP_MS;
    let jobsPerSecond = 0;
    while (performance.now() < untilMs) {
      jobsPerSecond = await this.run();
      signal.throwIfAborted();
    }
    this.#roundCount = Math.ceil((jobsPerSecond * ROUND_MS) / 1_000);
  }

  run(): Promise<number> {
    return this.#queue.run(this.#roundCount);
  }

  close(): Promise<void> {
    return this.#queue.close();
  }
}

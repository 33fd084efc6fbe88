import { RandomStream } from "@hodei/simulator";
import type { SecretValue } from "../program/encodings.ts";
import { drawFaults, type Fault, type FaultSchedule, pickWeighted } from "./fault-plan.ts";
import { drawBurst, drawJob, type JobDraw, type JobPlan, type Mix } from "./job-plan.ts";
import { drawSecrets } from "./secrets.ts";

/** All that chance decides about a run. */
export interface Plan {
  readonly seed: number;
  readonly durationMs: number;
  /** In the order of their submission. */
  readonly jobs: readonly JobPlan[];
  readonly faults: readonly Fault[];
  readonly secrets: readonly SecretValue[];
}

export interface PlanOptions {
  readonly seed: number;
  /** Jobs are submitted, and faults begin, within this time. */
  readonly durationMs: number;
  readonly mix: Mix;
  /** Mean of the time between two jobs. */
  readonly jobIntervalMs: number;
  /** Time between two bursts. */
  readonly burstIntervalMs: number;
  readonly faults: Pick<FaultSchedule, "choices" | "intervalMs">;
}

/** Shorter runs have smaller floods, so that they are not spent on reading them again. */
const FULL_VOLUME_AFTER_MS = 120_000;

/** Share of the interval of bursts that passes before the first one. */
const FIRST_BURST_AFTER = 0.1;

/** The plan of a seed: the same for the same options, and for the same seed on any machine. */
export function makePlan(options: PlanOptions): Plan {
  const { seed, durationMs, faults } = options;
  const random = new RandomStream(`chaos/${seed}`);
  const secrets = drawSecrets(random.split("secrets"));
  const secretNames = secrets.map(({ name }) => name);
  const facts = { secretNames, volume: Math.min(1, durationMs / FULL_VOLUME_AFTER_MS) };
  return {
    seed,
    durationMs,
    secrets,
    jobs: [...drawSingles(random, options, facts), ...drawBursts(random, options, facts)].sort(
      (a, b) => a.atMs - b.atMs,
    ),
    faults: drawFaults(random.split("faults"), { ...faults, durationMs }),
  };
}

function drawSingles(
  parent: RandomStream,
  options: PlanOptions,
  facts: Pick<JobDraw, "secretNames" | "volume">,
): JobPlan[] {
  const { seed, durationMs, mix, jobIntervalMs } = options;
  const times = parent.split("times");
  const choices = mix.map(([kind, weight]) => ({ kind, weight }));
  const jobs: JobPlan[] = [];
  for (let atMs = 0; atMs < durationMs; atMs += times.integer(1, jobIntervalMs * 2)) {
    const key = `chaos-${seed}-${jobs.length}`;
    const random = parent.split(key);
    // Each kind comes once before chance decides, so that a short run has all of them.
    const kind = mix[jobs.length]?.[0] ?? pickWeighted(random, choices).kind;
    jobs.push(drawJob(key, kind, { random, atMs, ...facts }));
  }
  return jobs;
}

function drawBursts(
  parent: RandomStream,
  options: PlanOptions,
  facts: Pick<JobDraw, "secretNames" | "volume">,
): JobPlan[] {
  const { seed, durationMs, burstIntervalMs } = options;
  const jobs: JobPlan[] = [];
  for (let burst = 0; (burst + FIRST_BURST_AFTER) * burstIntervalMs < durationMs; burst += 1) {
    const name = `chaos-${seed}-burst-${burst}`;
    const atMs = Math.round((burst + FIRST_BURST_AFTER) * burstIntervalMs);
    jobs.push(...drawBurst(burst, name, { random: parent.split(name), atMs, ...facts }));
  }
  return jobs;
}

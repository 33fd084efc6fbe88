import { setImmediate as turn } from "node:timers/promises";
import {
  type Candidate,
  createJobSpec,
  DEFAULT_PLACEMENT_POLICY,
  DEFAULT_TENANT_ID,
  type Host,
  NO_RECORD,
  type PlanTerms,
  parseJobId,
  parseWorkerId,
  planPlacements,
  type Requirements,
  urgentSince,
} from "@hodei/domain";
import type { Round } from "../result.ts";
import type { Row } from "../row.ts";

const ROUND_COUNT = 5;
const WARM_UP_COUNT = 2;
const SMALL = { hostCount: 500, candidateCount: 5_000 };
const LARGE = { hostCount: 1_000, candidateCount: 10_000 };
const GIB = 1024 ** 3;
const ZONES = ["a", "b", "c", "d"] as const;
const TERMS: PlanTerms = {
  policy: DEFAULT_PLACEMENT_POLICY,
  now: new Date(1_700_000_060_000),
  reserveAfterMs: 30_000,
  explainedId: null,
  limits: null,
  fairShare: { weights: new Map(), held: [], ends: [] },
  preemption: null,
};
const DEFAULTS = createJobSpec({ kind: "command", argv: ["true"] }).requirements;

/** Cost of the scheduler's decision alone: no database, no session. */
export const placement: Row = {
  name: "placement",
  about:
    "pure planning of 10,000 jobs on 1,000 workers, per placed job; against half of both, where linear growth costs the same",
  figures: [
    { name: "placement", unit: "µs/job", target: { kind: "value_at_most", limit: 100 } },
    { name: "placement-growth", unit: "µs/job", target: { kind: "ratio_at_most", limit: 1.25 } },
  ],
  async measure(signal) {
    const small = createInput(SMALL);
    const large = createInput(LARGE);
    for (let count = 0; count < WARM_UP_COUNT; count += 1) [small, large].map(measurePlan);
    const rounds: Round[] = [];
    while (rounds.length < ROUND_COUNT) {
      rounds.push({ baseline: measurePlan(small), value: measurePlan(large) });
      // Lets a signal in.
      await turn();
      signal.throwIfAborted();
    }
    return [rounds, rounds];
  },
};

interface Input {
  readonly candidates: readonly Candidate[];
  readonly hosts: readonly Host[];
}

/**
 * Microseconds of processor time per placed job: what else runs on the machine does not count. @throws Error unless every
 * job is placed, for those that wait cost something else
 */
function measurePlan({ candidates, hosts }: Input): number {
  const before = process.threadCpuUsage();
  const { placements } = planPlacements(candidates, hosts, TERMS);
  const { user, system } = process.threadCpuUsage(before);
  if (placements.length !== candidates.length) throw new Error("there was room for every job");
  return (user + system) / placements.length;
}

/** Ten jobs for each host, mixed in size, priority and constraints; together they take about half of the room. */
function createInput(size: { readonly hostCount: number; readonly candidateCount: number }): Input {
  return {
    hosts: Array.from({ length: size.hostCount }, (_, index) => createHost(index)),
    candidates: Array.from({ length: size.candidateCount }, (_, index) => createCandidate(index)),
  };
}

function createHost(index: number): Host {
  const size = 1 + (index % 3);
  const capacity = {
    cpuMillis: 16_000 * size,
    memoryBytes: 64 * GIB * size,
    diskBytes: 500 * GIB,
    gpuCount: 0,
    attemptCount: 100,
  };
  const zone = pick(ZONES, index);
  const labels = { zone, os: "linux", disk: index % 2 === 0 ? "ssd" : "hdd" };
  const arch = index % 5 === 0 ? "arm64" : "x64";
  return {
    workerId: parseWorkerId(uuid(index)),
    state: "ready",
    tenantId: null,
    pool: "bench",
    poolPolicy: null,
    arch,
    labels,
    taints: [],
    gpuModel: "",
    capacity,
    free: capacity,
    turn: 0,
    track: NO_RECORD,
    before: null,
  };
}

function createCandidate(index: number): Candidate {
  const requirements: Requirements = {
    ...DEFAULTS,
    cpuMillis: pick([500, 1_000, 2_000, 2_500], index),
    memoryBytes: pick([0, 1, 2, 4, 8], index) * GIB,
    diskBytes: GIB,
    arch: index % 4 === 0 ? "x64" : null,
    constraints:
      index % 3 === 0 ? [{ label: "zone", operator: "in", values: ZONES.slice(index % 2, 3) }] : [],
  };
  const priority = (index * 7) % 5;
  return {
    jobId: parseJobId(uuid(index)),
    version: 1,
    concurrency: null,
    rateLimit: null,
    tenantId: DEFAULT_TENANT_ID,
    priority,
    urgentSince: urgentSince(new Date(1_700_000_000_000 + index), priority),
    requirements,
    placement: { preferences: [], policy: null },
    claimedWorkerId: null,
  };
}

function pick<T>(values: readonly T[], index: number): T {
  const value = values[index % values.length];
  if (value === undefined) throw new RangeError("there is something to pick from");
  return value;
}

const uuid = (index: number): string =>
  `00000000-0000-7000-8000-${index.toString(16).padStart(12, "0")}`;

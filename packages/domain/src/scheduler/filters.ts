import type { Requirements } from "../job-spec.ts";
import type { Capacity, Taint } from "../worker.ts";
import { describeConstraint, holds } from "./constraints.ts";
import { type Host, hasRoom, type Need } from "./host.ts";
import { describeBytes, describeCores } from "./sizes.ts";

/** Why one worker is not feasible for one job; stable, for programs. */
export type RejectionCode =
  | "tenant"
  | "arch"
  | "constraint"
  | "taint"
  | "gpu_model"
  | "cpu_capacity"
  | "memory_capacity"
  | "gpu_capacity"
  | "state"
  | "disk_full"
  | "reserved"
  | "outranked"
  | "attempts"
  | "cpu"
  | "memory"
  | "disk"
  | "gpu";

/** One rule that a worker must pass to be feasible. */
export interface Filter {
  readonly code: RejectionCode;
  readonly rejects: (host: Host, need: Need) => boolean;
  /** What is wrong with a host that it rejects, to follow "3 workers". Hosts with the same text are counted together. */
  readonly describe: (host: Host, need: Need) => string;
}

/** Rules about what a worker is. */
export const KIND_FILTERS: readonly Filter[] = [
  {
    code: "tenant",
    rejects: (host, need) => host.tenantId !== null && host.tenantId !== need.tenantId,
    describe: () => "take jobs of other tenants only",
  },
  {
    code: "arch",
    rejects: (host, { requirements: { arch } }) => arch !== null && arch !== host.arch,
    describe: (_, { requirements }) => `are not ${requirements.arch}`,
  },
  {
    code: "constraint",
    rejects: (host, need) => failedConstraint(host, need) !== undefined,
    describe: (host, need) => {
      const failed = failedConstraint(host, need);
      return `do not meet ${failed === undefined ? "the constraints" : describeConstraint(failed)}`;
    },
  },
  {
    code: "taint",
    rejects: (host, need) => untoleratedTaint(host, need) !== undefined,
    describe: (host, need) => `have the taint ${describeTaint(untoleratedTaint(host, need))}`,
  },
  {
    code: "gpu_model",
    rejects: ({ gpuModel }, { requirements }) =>
      requirements.gpuModel !== null && requirements.gpuModel !== gpuModel,
    describe: (_, { requirements }) => `have no ${requirements.gpuModel} GPUs`,
  },
];

/** Rules about what a worker has when nothing runs on it. What they reject waits in vain, whatever ends there. */
export const SIZE_FILTERS: readonly Filter[] = [
  {
    code: "cpu_capacity",
    rejects: ({ capacity }, { requirements }) => requirements.cpuMillis > capacity.cpuMillis,
    describe: (_, { requirements }) => `have fewer than ${describeCores(requirements.cpuMillis)}`,
  },
  {
    code: "memory_capacity",
    rejects: ({ capacity }, { requirements }) => requirements.memoryBytes > capacity.memoryBytes,
    describe: (_, { requirements }) =>
      `have less than ${describeBytes(requirements.memoryBytes)} of memory`,
  },
  {
    code: "gpu_capacity",
    rejects: ({ capacity }, { requirements }) => requirements.gpuCount > capacity.gpuCount,
    describe: (_, { requirements }) => `have fewer than ${describeGpus(requirements)}`,
  },
];

/** Rules about the state that a worker is in. */
export const STATE_FILTERS: readonly Filter[] = [
  {
    code: "state",
    rejects: ({ state }) => state !== "ready",
    describe: ({ state }) => `are ${state}`,
  },
  {
    code: "disk_full",
    // On a disk with nothing to offer, even a job that asks for none would soon fail.
    rejects: ({ capacity }) => capacity.diskBytes <= 0,
    describe: () => "have too little free disk to take jobs",
  },
];

/** Rules about what is free on a worker now: one of them rejects it exactly if `hasRoom` is false. */
export const ROOM_FILTERS: readonly Filter[] = [
  {
    code: "reserved",
    rejects: ({ before, free }, { requirements }) =>
      before !== null && hasRoom(before.reservations, requirements) && !hasRoom(free, requirements),
    describe: () => "are kept for jobs before it",
  },
  {
    code: "outranked",
    rejects: ({ before, free }, { requirements }) =>
      before !== null && hasRoom(before.placements, requirements) && !hasRoom(free, requirements),
    describe: () => "have room, which jobs before it take",
  },
  {
    code: "attempts",
    rejects: (host) => realFree(host).attemptCount < 1,
    describe: ({ capacity }) => `hold ${capacity.attemptCount} attempts, as many as they may`,
  },
  {
    code: "cpu",
    rejects: (host, { requirements }) => requirements.cpuMillis > realFree(host).cpuMillis,
    describe: (_, { requirements }) =>
      `have fewer than ${describeCores(requirements.cpuMillis)} free`,
  },
  {
    code: "memory",
    rejects: (host, { requirements }) => requirements.memoryBytes > realFree(host).memoryBytes,
    describe: (_, { requirements }) =>
      `have less than ${describeBytes(requirements.memoryBytes)} of memory free`,
  },
  {
    code: "disk",
    rejects: (host, { requirements }) => requirements.diskBytes > realFree(host).diskBytes,
    describe: (_, { requirements }) =>
      `have less than ${describeBytes(requirements.diskBytes)} of disk free`,
  },
  {
    code: "gpu",
    rejects: (host, { requirements }) => requirements.gpuCount > realFree(host).gpuCount,
    describe: (_, { requirements }) => `have fewer than ${describeGpus(requirements)} free`,
  },
];

/** Every rule, in the order in which they are asked: what lasts before what passes. */
export const FILTERS: readonly Filter[] = [
  ...KIND_FILTERS,
  ...SIZE_FILTERS,
  ...STATE_FILTERS,
  ...ROOM_FILTERS,
];

/** The first filter that rejects `host`, or `undefined` if it is feasible. */
export function rejection(host: Host, need: Need): Filter | undefined {
  return FILTERS.find((filter) => filter.rejects(host, need));
}

/** Whether none of `filters` rejects `host`. */
export function passes(filters: readonly Filter[], host: Host, need: Need): boolean {
  return !filters.some((filter) => filter.rejects(host, need));
}

/** Apart from what a plan has given or promised, which has filters of its own. */
const realFree = ({ before, free }: Host): Capacity => before?.placements ?? free;

function failedConstraint({ labels }: Host, { requirements }: Need) {
  return requirements.constraints.find((constraint) => !holds(constraint, labels));
}

function untoleratedTaint({ taints }: Host, { requirements: { tolerations } }: Need) {
  return taints.find(
    (taint) =>
      !tolerations.some(
        ({ key, value }) => key === taint.key && (value === "" || value === taint.value),
      ),
  );
}

const describeTaint = (taint: Taint | undefined): string =>
  taint === undefined || taint.value === "" ? `${taint?.key}` : `${taint.key}=${taint.value}`;

const describeGpus = ({ gpuCount, gpuModel }: Requirements): string =>
  `${gpuCount} ${gpuModel === null ? "" : `${gpuModel} `}${gpuCount === 1 ? "GPU" : "GPUs"}`;

import { describeConstraint, holds } from "./constraints.ts";
import type { Host, Need } from "./host.ts";
import { describeBytes, describeCores } from "./sizes.ts";

/** Why one worker is not feasible for one job; stable, for programs. */
export type RejectionCode =
  | "tenant"
  | "state"
  | "arch"
  | "constraint"
  | "cpu_capacity"
  | "memory_capacity"
  | "cpu"
  | "memory"
  | "disk";

/** One rule that a worker must pass to be feasible. */
export interface Filter {
  readonly code: RejectionCode;
  readonly rejects: (host: Host, need: Need) => boolean;
  /** What is wrong with a host that it rejects, to follow "3 workers". Hosts with the same text are counted together. */
  readonly describe: (host: Host, need: Need) => string;
}

/** Rules about what a worker is. What they reject stays rejected, whatever ends on the worker. */
export const LASTING_FILTERS: readonly Filter[] = [
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
    code: "state",
    rejects: ({ state }) => state !== "ready",
    describe: ({ state }) => `are ${state}`,
  },
];

/** Rules about what is free on a worker now. */
export const PASSING_FILTERS: readonly Filter[] = [
  {
    code: "cpu",
    rejects: ({ free }, { requirements }) => requirements.cpuMillis > free.cpuMillis,
    describe: (_, { requirements }) =>
      `have fewer than ${describeCores(requirements.cpuMillis)} free`,
  },
  {
    code: "memory",
    rejects: ({ free }, { requirements }) => requirements.memoryBytes > free.memoryBytes,
    describe: (_, { requirements }) =>
      `have less than ${describeBytes(requirements.memoryBytes)} of memory free`,
  },
  {
    code: "disk",
    // On a disk with nothing to offer, even a job that asks for none would soon fail.
    rejects: ({ capacity, free }, { requirements }) =>
      capacity.diskBytes <= 0 || requirements.diskBytes > free.diskBytes,
    describe: (_, { requirements }) =>
      requirements.diskBytes === 0
        ? "have too little free disk to take jobs"
        : `have less than ${describeBytes(requirements.diskBytes)} of disk free`,
  },
];

/** Every rule, in the order in which they are asked: what lasts before what passes. */
export const FILTERS: readonly Filter[] = [...LASTING_FILTERS, ...PASSING_FILTERS];

/** The first filter that rejects `host`, or `undefined` if it is feasible. */
export function rejection(host: Host, need: Need): Filter | undefined {
  return FILTERS.find((filter) => filter.rejects(host, need));
}

function failedConstraint({ labels }: Host, { requirements }: Need) {
  return requirements.constraints.find((constraint) => !holds(constraint, labels));
}

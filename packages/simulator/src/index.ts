export type { Fault, FaultKind } from "./faults.ts";
export type { Violation } from "./finished-run.ts";
export { RandomStream } from "./random.ts";
export {
  runSimulation,
  type SimulationOptions,
  type SimulationResult,
  type SimulationStats,
} from "./run-simulation.ts";
export type { Request, Scenario, Timing } from "./scenario.ts";
export { Trace, type TraceEntry } from "./trace.ts";
export type { Wiring } from "./world.ts";

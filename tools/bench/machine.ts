import { arch, availableParallelism, cpus, loadavg, platform, release, totalmem } from "node:os";
import { runTool } from "../repository.ts";

/** Where and when something was measured, as it stands in the JSON file. */
export interface Machine {
  readonly cpuModel: string;
  readonly coreCount: number;
  readonly memoryBytes: number;
  /** Kind, release and architecture. */
  readonly kernel: string;
  readonly node: string;
  /** With `+changes` if the checkout differs from it. */
  readonly commit: string;
  readonly date: string;
  /** Average of runnable processes in the last minute before the start; above about half a core, others take part. */
  readonly loadBefore: number;
}

export async function describeMachine(): Promise<Machine> {
  return {
    cpuModel: cpus()[0]?.model.trim() ?? "unknown",
    coreCount: availableParallelism(),
    memoryBytes: totalmem(),
    kernel: `${platform()} ${release()} ${arch()}`,
    node: process.versions.node,
    commit: await describeCommit(),
    date: new Date().toISOString(),
    loadBefore: loadavg()[0] ?? 0,
  };
}

export function renderMachine(machine: Machine): string {
  const { cpuModel, coreCount, memoryBytes, kernel, node, commit, date, loadBefore } = machine;
  const memory = `${(memoryBytes / 2 ** 30).toFixed(1)} GiB`;
  return `${cpuModel}, ${coreCount} cores, ${memory}; ${kernel}; Node.js ${node}
commit ${commit}, ${date}, load ${loadBefore.toFixed(2)} before the start`;
}

async function describeCommit(): Promise<string> {
  const head = await runTool("git", ["rev-parse", "--short=12", "HEAD"]);
  if (head.exitCode !== 0) return "unknown";
  const changes = await runTool("git", ["status", "--porcelain", "--untracked-files=no"]);
  return `${head.output.trim()}${changes.output === "" ? "" : "+changes"}`;
}

import type { HodeiClient } from "@hodei/sdk";
import type { Link } from "@hodei/testkit";
import type { ServerProgram } from "../processes/server-program.ts";
import type { WorkerProgram } from "../processes/worker-program.ts";
import type { SceneDatabase } from "./scene-database.ts";

/** Everything that runs, and can be hurt by its name. */
export interface Scene {
  readonly folder: string;
  readonly servers: readonly ServerProgram[];
  readonly workers: readonly WorkerProgram[];
  readonly links: readonly Link[];
  readonly database: SceneDatabase;
  /** Of workers that the servers started themselves. */
  readonly localWorkerPids: () => readonly number[];
  /** A client of some server; another one with each call, as far as there are several. */
  readonly anyClient: () => HodeiClient;
}

/** @throws Error if there is no such part: the plan and the scene do not fit */
export function partOf<T extends { readonly name: string }>(parts: readonly T[], name: string): T {
  const part = parts.find((candidate) => candidate.name === name);
  if (part === undefined) throw new Error(`the scene has no ${name}`);
  return part;
}

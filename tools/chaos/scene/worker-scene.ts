import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { HodeiClient } from "@hodei/sdk";
import { Link } from "@hodei/testkit";
import { ServerProgram } from "../processes/server-program.ts";
import { WorkerProgram } from "../processes/worker-program.ts";
import { joinWorkers } from "./join-workers.ts";
import type { Scene } from "./scene.ts";
import { SceneDatabase } from "./scene-database.ts";

const MIB = 1024 * 1024;

/** Workers that join: one with the usual spool, the others with spools that any outage fills. */
const SPOOLS = [
  { spoolAttemptBytes: 64 * MIB, spoolBytes: 1024 * MIB },
  { spoolAttemptBytes: MIB / 2, spoolBytes: 4 * MIB },
  { spoolAttemptBytes: 2 * MIB, spoolBytes: 3 * MIB },
] as const;

const WORKER_CPU_MILLIS = 4_000;
const WORKER_MEMORY_BYTES = 2_048 * MIB;
const CALL_TIMEOUT_MS = 10_000;

/** One server as a laptop has it, with its own database and a local worker; and workers that joined through links. */
export async function createWorkerScene(
  folder: string,
  onMade: (scene: Scene) => void,
): Promise<Scene> {
  const server = new ServerProgram({
    name: "server-0",
    folder,
    args: ["--local-workers-min", "1", "--local-workers-max", "1"],
    env: {
      HODEI_SERVER_STOP_WORKERS_ON_EXIT: "true",
      HODEI_SERVER_LOCAL_WORKERS_ALLOW_ROOT: "true",
    },
  });
  const links = SPOOLS.map(
    (_, index) => new Link(`link:worker-${index}`, () => server.workerTarget),
  );
  for (const link of links) await link.start();
  const workers = SPOOLS.map((spool, index) => {
    const serverPort = links[index]?.port ?? 0;
    const limits = { cpuMillis: WORKER_CPU_MILLIS, memoryBytes: WORKER_MEMORY_BYTES };
    return new WorkerProgram({ name: `worker-${index}`, folder, serverPort, ...limits, ...spool });
  });
  let client: HodeiClient | undefined;
  const scene: Scene = {
    folder,
    servers: [server],
    workers,
    links,
    database: new SceneDatabase(join(server.dataDir, "postgres")),
    localWorkerPids: () => findLocalWorkers(server.dataDir),
    anyClient: () => {
      if (client === undefined) throw new Error("the server has not started yet");
      return client;
    },
  };
  onMade(scene);
  await server.start();
  client = await server.connect(CALL_TIMEOUT_MS);
  await joinWorkers(scene);
  return scene;
}

function findLocalWorkers(dataDir: string): readonly number[] {
  const folder = join(dataDir, "workers");
  return readFolder(folder).flatMap((name) => {
    try {
      return [JSON.parse(readFileSync(join(folder, name, "machine.json"), "utf8")).pid as number];
    } catch {
      return []; // Half made, or just removed.
    }
  });
}

function readFolder(path: string): readonly string[] {
  try {
    return readdirSync(path);
  } catch {
    return [];
  }
}

import { join } from "node:path";
import type { HodeiClient } from "@hodei/sdk";
import { Link } from "@hodei/testkit";
import { ServerProgram } from "../processes/server-program.ts";
import { WorkerProgram } from "../processes/worker-program.ts";
import { joinWorkers } from "./join-workers.ts";
import type { Scene } from "./scene.ts";
import { SceneDatabase } from "./scene-database.ts";

const MIB = 1024 * 1024;
const SERVERS = 3;
const WORKERS = 3;
const WORKER_LIMITS = {
  cpuMillis: 4_000,
  memoryBytes: 2_048 * MIB,
  spoolAttemptBytes: 64 * MIB,
  spoolBytes: 1_024 * MIB,
};
/** Short: another server may know more than one that is stopped. */
const CALL_TIMEOUT_MS = 8_000;

/**
 * Servers that share a database, a CA, a token and a master key. Each has a link of its own to the database; each worker has
 * one that leads to the servers in turn, as a balancer does.
 */
export async function createControlScene(
  folder: string,
  onMade: (scene: Scene) => void,
): Promise<Scene> {
  const database = new SceneDatabase(join(folder, "database", "postgres"));
  await database.start();
  const databaseLinks = await startLinks(
    SERVERS,
    (index) => new Link(`link:database-${index}`, () => database.target),
  );
  const servers = databaseLinks.map(({ port }, index) =>
    createServer(folder, index, database.urlAt(port)),
  );
  const balance = inTurn(servers);
  const workerLinks = await startLinks(
    WORKERS,
    (index) => new Link(`link:worker-${index}`, () => balance()?.workerTarget),
  );
  const workers = workerLinks.map(
    ({ port }, index) =>
      new WorkerProgram({ name: `worker-${index}`, folder, serverPort: port, ...WORKER_LIMITS }),
  );
  const clients: HodeiClient[] = [];
  const nextClient = inTurn(clients);
  const scene: Scene = {
    folder,
    servers,
    workers,
    links: [...databaseLinks, ...workerLinks],
    database,
    localWorkerPids: () => [],
    anyClient: () => {
      const client = nextClient();
      if (client === undefined) throw new Error("no server has started yet");
      return client;
    },
  };
  onMade(scene);
  // One after another: the first makes the CA and the keys that all share.
  for (const server of servers) {
    await server.start();
    clients.push(await server.connect(CALL_TIMEOUT_MS));
  }
  await joinWorkers(scene);
  return scene;
}

function createServer(folder: string, index: number, databaseUrl: string): ServerProgram {
  const apiTokenFile = join(folder, "api-token");
  return new ServerProgram({
    name: `server-${index}`,
    folder,
    apiTokenFile,
    args: [
      "--ca-dir",
      join(folder, "ca"),
      "--api-token-file",
      apiTokenFile,
      "--secret-key-file",
      join(folder, "secret-key"),
    ],
    env: { HODEI_SERVER_DATABASE_URL: databaseUrl },
  });
}

async function startLinks(
  count: number,
  create: (index: number) => Link,
): Promise<readonly Link[]> {
  const links = Array.from({ length: count }, (_, index) => create(index));
  for (const link of links) await link.start();
  return links;
}

/** One of `items` after the other; `undefined` while there are none. */
function inTurn<T>(items: readonly T[]): () => T | undefined {
  let turn = 0;
  return () => {
    turn += 1;
    return items[turn % Math.max(1, items.length)];
  };
}

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { test } from "node:test";
import pg from "pg";
import { startThrowawayCluster } from "./throwaway-cluster.ts";

/** Starts a cluster in another process, which is killed in the middle of its work. */
async function startAndDie(): Promise<string> {
  const source = `
    const { startThrowawayCluster } = await import(${JSON.stringify(import.meta.resolve("./throwaway-cluster.ts"))});
    const { databaseUrl } = await startThrowawayCluster();
    process.stdout.write(databaseUrl);
    setInterval(() => undefined, 1_000);`;
  const child = spawn(process.execPath, [
    "--conditions=@hodei/source",
    "--input-type=module",
    "--eval",
    source,
  ]);
  const [databaseUrl] = (await once(child.stdout, "data")) as [Buffer];
  child.kill("SIGKILL");
  await once(child, "exit");
  return databaseUrl.toString();
}

async function canConnect(databaseUrl: string): Promise<boolean> {
  const client = new pg.Client({ connectionString: databaseUrl });
  client.on("error", () => undefined);
  return client.connect().then(
    () => client.end().then(() => true),
    () => false,
  );
}

test("a cluster whose process was killed is ended by the next that starts one", async () => {
  const abandoned = await startAndDie();
  assert.equal(await canConnect(abandoned), true, "it outlives its process");
  const cluster = await startThrowawayCluster();
  assert.equal(await canConnect(abandoned), false);
  assert.equal(await canConnect(cluster.databaseUrl), true);
  await cluster.stop();
  assert.equal(await canConnect(cluster.databaseUrl), false);
});

import { readFile, rename, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { join } from "node:path";

const FILE = "ports.json";

export interface Ports {
  readonly publicPort: number;
  readonly workerPort: number;
}

/**
 * The ports that a server in `dataDir` had before, as far as they are free on `host` now, else 0: a worker that outlived
 * a crash looks for its server where it was.
 */
export async function recallPorts(dataDir: string, host: string): Promise<Ports> {
  const known = await readPorts(join(dataDir, FILE));
  return {
    publicPort: await freeOrZero(host, known.publicPort),
    workerPort: await freeOrZero(host, known.workerPort),
  };
}

export async function rememberPorts(dataDir: string, ports: Ports): Promise<void> {
  const file = join(dataDir, FILE);
  await writeFile(`${file}.new`, JSON.stringify(ports));
  await rename(`${file}.new`, file);
}

async function readPorts(file: string): Promise<Ports> {
  try {
    const { publicPort, workerPort } = JSON.parse(await readFile(file, "utf8")) as Ports;
    return { publicPort, workerPort };
  } catch {
    // Not there, or left half written by a full disk: nothing is remembered.
    return { publicPort: 0, workerPort: 0 };
  }
}

function freeOrZero(host: string, port: number): Promise<number> {
  if (!Number.isInteger(port) || port <= 0 || port > 65_535) return Promise.resolve(0);
  return new Promise((resolve) => {
    const probe = createServer();
    probe.once("error", () => resolve(0));
    probe.listen({ host, port }, () => probe.close(() => resolve(port)));
  });
}

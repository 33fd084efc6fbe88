import assert from "node:assert/strict";
import { once } from "node:events";
import { access, mkdir, readdir, readFile, symlink } from "node:fs/promises";
import { type AddressInfo, createServer } from "node:net";
import { delimiter, dirname, join } from "node:path";
import { after, describe, test } from "node:test";
import { startTestPostgres, type TestPostgres } from "@hodei/testkit";
import { createOwnStack, runInShell } from "../tools/own-stack.ts";
import { ROOT } from "../tools/repository.ts";
import { type Commands, isAsExpected, parseBlocks, toScript } from "./documents.ts";

/** Programs that documents use and a machine may lack; Debian's packages have the same names. */
const PROGRAMS = ["curl", "openssl"];

/** Ports of servers in the documents, the defaults first. They may be taken here, so others stand in for them. */
const PORTS = ["7400", "7401", "7500", "7501"] as const;

const DOCUMENTS = [
  "README.md",
  ...(await readdir(join(ROOT, "docs")))
    .filter((name) => name.endsWith(".md"))
    .map((name) => `docs/${name}`),
];

/** A document that takes longer waits for something that never comes. */
const TIMEOUT_MS = 180_000;

let postgres: Promise<TestPostgres> | undefined;
after(async () => (await postgres)?.stop());

// Side by side, because they wait more than they compute.
describe("the documents do what they say", { concurrency: 3 }, () => {
  for (const document of DOCUMENTS) {
    test(document, async (context) => {
      const ports = await standIns();
      const text = await readFile(join(ROOT, document), "utf8");
      const blocks = parseBlocks(text.replaceAll(/\b\d{4}\b/g, (word) => ports.get(word) ?? word));
      const all = blocks.filter((block) => block.kind === "commands");
      const lacking = await findLacking(all);
      if (lacking.length > 0) context.skip(`needs: apt-get install ${lacking.join(" ")}`);
      else if (all.length > 0) await follow(toScript(blocks), all, ports);
    });
  }
});

/** Runs the script of a document as a user with a new home, in a folder that looks like the checkout. */
async function follow(
  script: string,
  all: readonly Commands[],
  ports: ReadonlyMap<string, string>,
): Promise<void> {
  const stack = await createOwnStack();
  const folder = dirname(stack.env.HODEI_DATA_DIR ?? "");
  const env = {
    ...stack.env,
    ...(await prepareUser(folder)),
    ...(/\$DATABASE_URL\b/.test(script) && { DATABASE_URL: await databaseUrl() }),
    HODEI_SERVER_PUBLIC_PORT: ports.get("7400"),
    HODEI_SERVER_WORKER_PORT: ports.get("7401"),
    // A document that fails does not come to the point where it lets workers go.
    HODEI_SERVER_STOP_WORKERS_ON_EXIT: "true",
  };
  try {
    const signal = AbortSignal.timeout(TIMEOUT_MS);
    const run = runInShell(`cd "$WORK"\n${script}`, { env, signal });
    const end = await run.then(({ exitCode }) => `exit code ${exitCode}`, String);
    for (const [index, commands] of all.entries()) {
      await check(commands, join(folder, "output", String(index)));
    }
    assert.equal(end, "exit code 0", "something still runs at the end of the document");
  } finally {
    await stack.remove();
  }
}

/** @throws AssertionError if the commands failed, were not reached, or printed something else than the document shows */
async function check({ line, text, expected }: Commands, outputFile: string): Promise<void> {
  const place = `the commands at line ${line}`;
  const output = await readFile(outputFile, "utf8").catch(() => "(they were not reached)");
  assert.ok(await exists(`${outputFile}.done`), `${place} failed:\n${text}\n${output}`);
  if (expected === undefined || isAsExpected(output, expected)) return;
  assert.equal(output, expected, `${place} print something else`);
}

/** A home, and a folder to work in that has what users find in the checkout. */
async function prepareUser(folder: string): Promise<Record<string, string>> {
  const user = {
    HOME: join(folder, "home"),
    WORK: join(folder, "work"),
    OUTPUT: join(folder, "output"),
  };
  await Promise.all(Object.values(user).map((path) => mkdir(path)));
  for (const name of ["docs", "examples", "node_modules", "packages"]) {
    await symlink(join(ROOT, name), join(user.WORK, name));
  }
  return user;
}

async function databaseUrl(): Promise<string> {
  postgres ??= startTestPostgres();
  const { url } = await (await postgres).createDatabase();
  return url;
}

/** For each port of the documents one that is free. */
async function standIns(): Promise<ReadonlyMap<string, string>> {
  const servers = PORTS.map((port) => [port, createServer().listen(0, "127.0.0.1")] as const);
  await Promise.all(servers.map(([, server]) => once(server, "listening")));
  return new Map(
    servers.map(([port, server]) => {
      const free = (server.address() as AddressInfo).port;
      server.close();
      return [port, String(free)];
    }),
  );
}

async function findLacking(all: readonly Commands[]): Promise<readonly string[]> {
  const used = PROGRAMS.filter((name) => all.some(({ text }) => text.includes(`${name} `)));
  const found = await Promise.all(used.map(isInPath));
  return used.filter((_, index) => !found[index]);
}

async function isInPath(name: string): Promise<boolean> {
  const folders = (process.env.PATH ?? "").split(delimiter);
  const found = await Promise.all(folders.map((folder) => exists(join(folder, name))));
  return found.includes(true);
}

const exists = (path: string): Promise<boolean> =>
  access(path).then(
    () => true,
    () => false,
  );

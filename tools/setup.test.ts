import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { chmod, cp, mkdir, mkdtemp, readFile, rm, utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, beforeEach, describe, test } from "node:test";

const directories: string[] = [];

interface Ended {
  readonly exitCode: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

describe("tools/setup.mjs", () => {
  let root: string;

  beforeEach(async () => {
    root = await mkdtemp(join(tmpdir(), "hodei-setup-"));
    directories.push(root);
    await cp(import.meta.dirname, join(root, "tools"), { recursive: true });
    await writeFile(join(root, "package-lock.json"), lockFile("1.0.0"));
    await writeScript("print.ts", `console.log(JSON.stringify(process.argv.slice(2)));`);
    await installNpm(`
      echo x >> "${root}/installs"
      mkdir -p node_modules/.bin && ln -sf "${process.execPath}" node_modules/.bin/node`);
  });

  after(async () => {
    for (const directory of directories) await rm(directory, { recursive: true, force: true });
  });

  test("installs once, then runs the script with its arguments", async () => {
    const first = await setup("print.ts", "a b", "");
    assert.deepEqual(JSON.parse(first.stdout), ["a b", ""]);
    assert.match(first.stderr, /installing the locked dependencies/);
    const second = await setup("print.ts");
    assert.equal(second.stderr, "");
    assert.equal(await countInstalls(), 1);
  });

  test("installs again when the lock file changed", async () => {
    await setup("print.ts");
    await writeFile(join(root, "package-lock.json"), lockFile("1.0.1"));
    await setup("print.ts");
    assert.equal(await countInstalls(), 2);
  });

  test("accepts what somebody installed by hand, without the packages for other machines", async () => {
    await mkdir(join(root, "node_modules", ".bin"), { recursive: true });
    const { packages } = JSON.parse(lockFile("1.0.0"));
    const installed = { packages: { "node_modules/a": packages["node_modules/a"] } };
    await writeFile(join(root, "node_modules", ".package-lock.json"), JSON.stringify(installed));
    await setup("print.ts");
    assert.equal(await countInstalls(), 0);
  });

  test("two at once install once", async () => {
    await installNpm(`
      echo x >> "${root}/installs"
      until [ -e "${root}/other-waits" ]; do sleep 0.05; done
      mkdir -p node_modules/.bin && ln -sf "${process.execPath}" node_modules/.bin/node`);
    const children = [start("print.ts", "1"), start("print.ts", "2")];
    const both = Promise.all(children.map(end));
    await Promise.race(children.map((child) => untilSaid(child, "waiting for another install")));
    await writeFile(join(root, "other-waits"), "");
    assert.deepEqual(
      (await both).map(({ exitCode }) => exitCode),
      [0, 0],
    );
    assert.equal(await countInstalls(), 1);
  });

  test("takes over the lock of an install that died", async () => {
    const lock = join(root, ".setup-lock");
    const longAgo = new Date(Date.now() - 60_000);
    await writeFile(lock, "");
    await utimes(lock, longAgo, longAgo);
    assert.equal((await setup("print.ts")).exitCode, 0);
  });

  test("says what to do when npm is missing", async () => {
    await rm(join(root, "bin", "npm"));
    const { exitCode, stderr } = await setup("print.ts");
    assert.equal(exitCode, 1);
    assert.match(stderr, /npm was not found\. Install Node\.js with npm/);
  });

  test("shows npm's words and names the network when the registry is out of reach", async () => {
    await installNpm("echo 'npm error code ENOTFOUND' >&2; exit 1");
    const { exitCode, stderr } = await setup("print.ts");
    assert.equal(exitCode, 1);
    assert.match(stderr, /npm error code ENOTFOUND\n.*could not be reached/);
  });

  test("mirrors the exit code", async () => {
    await writeScript("fail.ts", "process.exit(7)");
    assert.equal((await setup("fail.ts")).exitCode, 7);
  });

  test("passes signals on and exits with 128 + n", async () => {
    await writeScript("wait.ts", `console.log("ready"); setInterval(() => {}, 1000);`);
    const child = start("wait.ts");
    const ended = end(child);
    assert.ok(child.stdout !== null);
    await once(child.stdout, "data");
    child.kill("SIGTERM");
    assert.equal((await ended).exitCode, 128 + 15);
  });

  function setup(script: string, ...args: string[]): Promise<Ended> {
    return end(start(script, ...args));
  }

  function start(script: string, ...args: string[]): ChildProcess {
    const { npm_execpath: _, ...env } = process.env;
    return spawn(process.execPath, [join(root, "tools", "setup.mjs"), script, ...args], {
      // Only `bin`: an npm of the machine must not answer for a missing one.
      env: { ...env, PATH: join(root, "bin") },
      stdio: ["ignore", "pipe", "pipe"],
    });
  }

  /** An npm that does what `script` says, in place of the real one, which needs a registry. */
  async function installNpm(script: string): Promise<void> {
    await mkdir(join(root, "bin"), { recursive: true });
    await writeFile(join(root, "bin", "npm"), `#!/bin/sh\nPATH=/usr/bin:/bin\n${script}\n`);
    await chmod(join(root, "bin", "npm"), 0o755);
  }

  async function writeScript(name: string, content: string): Promise<void> {
    await writeFile(join(root, name), content);
  }

  async function countInstalls(): Promise<number> {
    const lines = await readFile(join(root, "installs"), "utf8").catch(() => "");
    return lines.length / 2;
  }
});

async function end(child: ChildProcess): Promise<Ended> {
  let stdout = "";
  let stderr = "";
  child.stdout?.on("data", (chunk) => {
    stdout += chunk;
  });
  child.stderr?.on("data", (chunk) => {
    stderr += chunk;
  });
  const [exitCode] = await once(child, "close");
  return { exitCode, stdout, stderr };
}

function untilSaid(child: ChildProcess, words: string): Promise<void> {
  return new Promise((resolve) => {
    child.stderr?.on("data", (chunk) => {
      if (String(chunk).includes(words)) resolve();
    });
  });
}

function lockFile(version: string): string {
  const otherCpu = process.arch === "x64" ? "arm64" : "x64";
  return JSON.stringify({
    packages: {
      "": { name: "fixture" },
      "packages/p": { version: "0.1.0" },
      "node_modules/a": { version, integrity: "sha512-a" },
      "node_modules/b": { version, integrity: "sha512-b", optional: true, cpu: [otherCpu] },
      "node_modules/c": { version, optional: true, libc: ["musl"] },
    },
  });
}

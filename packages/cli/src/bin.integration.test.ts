import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { temporaryFolder } from "@hodei/testkit";

const BIN = fileURLToPath(new URL("../bin/hodei.mjs", import.meta.url));

/** Environment of a user who has configured nothing. */
const env = { PATH: process.env.PATH, HOME: temporaryFolder() };

/** Prints the URL of every module that is loaded, on standard error. */
const TRACE_LOADS = `data:text/javascript,${encodeURIComponent(`
  import { registerHooks } from "node:module";
  registerHooks({ load(url, context, next) { process.stderr.write(url + "\\n"); return next(url, context); } });
`)}`;

test("version starts without parser, client and server", () => {
  const { stdout, stderr, status } = spawnSync(
    process.execPath,
    ["--import", TRACE_LOADS, BIN, "version"],
    { env, encoding: "utf8" },
  );
  assert.match(stdout, /^hodei \d+\.\d+\.\d+\n$/);
  assert.equal(status, 0);
  assert.match(stderr, /run-cli\.ts/);
  assert.doesNotMatch(
    stderr,
    /commander|connectrpc|protobuf|zod|packages\/(sdk|server|worker|proto)/,
  );
});

test("version costs at most 150 ms more than a bare Node.js", () => {
  const times = (args: string[]) =>
    Array.from({ length: 7 }, () => {
      const startMs = performance.now();
      execFileSync(process.execPath, args, { env });
      return performance.now() - startMs;
    }).sort((a, b) => a - b);
  // The fastest of several: others share the machine.
  const [bareMs = 0] = times(["-e", "0"]);
  const [versionMs = 0] = times([BIN, "version"]);
  assert.ok(versionMs - bareMs <= 150, `${versionMs} ms against ${bareMs} ms`);
});

test("the program starts by its own name, from any folder", () => {
  const cwd = temporaryFolder();
  const path = `${join(process.execPath, "..")}:${process.env.PATH}`;
  const output = execFileSync(BIN, ["help"], {
    cwd,
    env: { ...env, PATH: path },
    encoding: "utf8",
  });
  assert.match(output, /^Usage: hodei <command>/);
});

test("--env-file is ours, not that of Node.js, which would end over a missing file and set our variables", () => {
  const path = `${join(process.execPath, "..")}:${process.env.PATH}`;
  const { stderr, status } = spawnSync(BIN, ["run", "--env-file", "missing", "--", "true"], {
    env: { ...env, PATH: path },
    encoding: "utf8",
  });
  assert.equal(stderr, "hodei: cannot read missing: no such file or directory\n");
  assert.equal(status, 125);
});

test("a server that is not there: exit code 1, or 125 from run, and what to do", () => {
  const server = ["--server", "http://127.0.0.1:1"];
  const list = spawnSync(process.execPath, [BIN, "jobs", "list", ...server], {
    env,
    encoding: "utf8",
  });
  assert.equal(list.status, 1);
  assert.match(list.stderr, /^hodei: .*ECONNREFUSED.*; check that the server is running/);
  const run = spawnSync(process.execPath, [BIN, "run", ...server, "--", "true"], { env });
  assert.equal(run.status, 125);
});

test("a reader that leaves ends the command quietly with 141", () => {
  const script = `"$0" "$1" help | true; echo "\${PIPESTATUS[0]}"`;
  // The reader may be gone before or after the only write, so both ends are right.
  const { stdout, stderr } = spawnSync("bash", ["-c", script, process.execPath, BIN], {
    env,
    encoding: "utf8",
  });
  assert.match(stdout, /^(141|0)\n$/);
  assert.equal(stderr, "");
});

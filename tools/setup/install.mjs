import { createHash } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { runChild } from "./child.mjs";
import { withInstallLock } from "./install-lock.mjs";
import { SetupError } from "./setup-error.mjs";

/** Most lines of npm's errors that are shown: the reason comes first, a long help may follow. */
const SHOWN_LINES = 20;
const OFFLINE = /ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ECONNRESET|ETIMEDOUT|ENETUNREACH|ENOTCACHED/;

/**
 * Makes `node_modules` match `package-lock.json`: at once when it does, else by `npm ci`.
 *
 * Several calls at once, from any number of processes, install once. @throws SetupError
 */
export async function installDependencies(root) {
  if (isInstalled(root)) return;
  await withInstallLock(join(root, ".setup-lock"), async () => {
    if (isInstalled(root)) return;
    process.stderr.write("hodei: installing the locked dependencies (npm ci)…\n");
    const startedAt = Date.now();
    await npmCi(root);
    writeFileSync(stampPath(root), lockHash(root));
    const seconds = ((Date.now() - startedAt) / 1000).toFixed(1);
    process.stderr.write(`hodei: dependencies installed in ${seconds} s\n`);
  });
}

async function npmCi(root) {
  const [command, ...args] = npmCommand();
  // A machine's npm settings may leave out both groups: the tools are in one and Node itself in the other.
  // The log level is set because `npm run --silent` would hand on its own, which hides why npm failed.
  const flags = [
    "ci",
    "--include=dev",
    "--include=optional",
    "--prefer-offline",
    "--loglevel=error",
    "--no-progress",
  ];
  const env = { ...process.env, NODE_ENV: "development" };
  const { child, ended } = runChild(command, [...args, ...flags], {
    cwd: root,
    env,
    stdio: ["ignore", "pipe", "pipe"],
  });
  let output = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream?.on("data", (chunk) => {
      output += chunk;
    });
  }
  const exitCode = await ended.catch((error) => {
    if (error.code !== "ENOENT") throw error;
    throw new SetupError(
      "npm was not found. Install Node.js with npm (https://nodejs.org), then run this again.",
    );
  });
  if (exitCode !== 0) throw new SetupError(failureMessage(exitCode, output));
}

/** The npm that started this script, so that both are one version; else the one in PATH. */
function npmCommand() {
  const path = process.env.npm_execpath;
  const isNpm = path !== undefined && basename(path) === "npm-cli.js";
  return isNpm ? [process.execPath, path] : ["npm"];
}

function failureMessage(exitCode, output) {
  const lines = output.split("\n").filter((line) => line.startsWith("npm error"));
  const advice = OFFLINE.test(output)
    ? "The package registry could not be reached. Check the network, the proxy (HTTPS_PROXY) and `npm config get registry`, then run this again."
    : "Correct what npm reports above, then run this again. The log that npm names has the details.";
  return [`npm ci failed with exit code ${exitCode}:`, ...lines.slice(0, SHOWN_LINES), advice].join(
    "\n",
  );
}

function isInstalled(root) {
  return readText(stampPath(root)) === lockHash(root) || isInstalledByHand(root);
}

/**
 * True when an `npm ci` or `npm install` that was not ours left exactly the locked packages.
 *
 * npm writes `node_modules/.package-lock.json` last, with what it installed. Optional packages made for
 * other machines are locked but not installed.
 */
function isInstalledByHand(root) {
  const installed = readText(join(root, "node_modules", ".package-lock.json"));
  if (installed === undefined) return false;
  const found = JSON.parse(installed).packages;
  const wanted = JSON.parse(lockText(root)).packages;
  return Object.entries(wanted).every(([path, facts]) => {
    if (!path.startsWith("node_modules/")) return true;
    if (found[path] === undefined) return facts.optional === true && !isMadeForThisMachine(facts);
    return found[path].version === facts.version && found[path].integrity === facts.integrity;
  });
}

/** A C library that is named is not compared: the wrong guess would only install once more. */
function isMadeForThisMachine({ os, cpu, libc }) {
  const fits = (wanted, actual) => wanted === undefined || wanted.includes(actual);
  return fits(os, process.platform) && fits(cpu, process.arch) && libc === undefined;
}

function stampPath(root) {
  return join(root, "node_modules", ".hodei-setup");
}

function lockHash(root) {
  return createHash("sha256").update(lockText(root)).digest("hex");
}

function lockText(root) {
  const text = readText(join(root, "package-lock.json"));
  if (text === undefined)
    throw new SetupError(`package-lock.json is missing in ${root}: check it out again.`);
  return text;
}

function readText(path) {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    if (error.code === "ENOENT") return undefined;
    throw error;
  }
}

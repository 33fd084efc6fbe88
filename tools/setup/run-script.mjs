import { delimiter, join, resolve } from "node:path";
import { runChild } from "./child.mjs";
import { SetupError } from "./setup-error.mjs";

/** First Node that runs TypeScript without a flag: [major, minor]. */
const OLDEST_NODE = [22, 18];

/**
 * Runs a TypeScript file of the repository with the installed Node, and resolves with its exit code.
 *
 * Workspaces resolve to their sources and the installed tools come first in PATH. Where the Node package
 * has no build (macOS), the Node that runs this is used if it is new enough. @throws SetupError
 */
export async function runScript(root, script, args) {
  const bin = join(root, "node_modules", ".bin");
  const nodeArgs = ["--conditions=@hodei/source", resolve(root, script), ...args];
  const options = {
    stdio: "inherit",
    env: { ...process.env, PATH: [bin, process.env.PATH].filter(Boolean).join(delimiter) },
  };
  try {
    return await runChild(join(bin, "node"), nodeArgs, options).ended;
  } catch (error) {
    if (error.code !== "ENOENT") throw error;
  }
  if (!isRecentEnough(process.versions.node)) {
    throw new SetupError(
      `the installed packages have no Node 24 for ${process.platform}-${process.arch}, and this Node is ` +
        `${process.versions.node}. Install Node ${OLDEST_NODE.join(".")} or later, then run this again.`,
    );
  }
  return runChild(process.execPath, nodeArgs, options).ended;
}

function isRecentEnough(version) {
  const [major, minor] = version.split(".").map(Number);
  return major > OLDEST_NODE[0] || (major === OLDEST_NODE[0] && minor >= OLDEST_NODE[1]);
}

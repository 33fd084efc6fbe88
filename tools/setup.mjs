// Runs one of the repository's scripts with everything it needs: `node tools/setup.mjs SCRIPT.ts [args]`.
//
// Plain JavaScript for Node 18 and later, because it runs before anything is installed. It installs the
// locked dependencies when they are missing or old, then starts the script with the Node 24 that is one
// of them: the machine's own Node only has to be able to read this file.

import { dirname } from "node:path";
import { fileURLToPath } from "node:url";
import { installDependencies } from "./setup/install.mjs";
import { runScript } from "./setup/run-script.mjs";
import { SetupError } from "./setup/setup-error.mjs";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const [script, ...args] = process.argv.slice(2);

try {
  if (script === undefined)
    throw new SetupError("usage: node tools/setup.mjs SCRIPT.ts [arguments]");
  await installDependencies(root);
  process.exitCode = await runScript(root, script, args);
} catch (error) {
  if (!(error instanceof SetupError)) throw error;
  process.stderr.write(`hodei: ${error.message}\n`);
  process.exitCode = 1;
}

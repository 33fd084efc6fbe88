// `npm run generate` writes every generated file. With `--check` it writes nothing, and fails when one is stale.

import { parseArgs } from "node:util";
import { findStale, writeGenerated } from "./generate/generated-files.ts";

const { values } = parseArgs({ options: { check: { type: "boolean", default: false } } });

if (values.check) {
  const stale = await findStale();
  for (const line of stale) console.error(line);
  if (stale.length > 0) console.error("Run `npm run generate` and commit what it changes.");
  process.exitCode = stale.length === 0 ? 0 : 1;
} else {
  await writeGenerated();
}

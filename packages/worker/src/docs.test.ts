import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { loadWorkerConfig } from "./config.ts";

/** Names and defaults of the table of worker settings. */
function documentedSettings(): string[][] {
  const document = readFileSync(new URL("../../../docs/operations.md", import.meta.url), "utf8");
  const section = document.split(/^## /m).find((text) => text.startsWith("Worker settings\n"));
  return [...(section ?? "").matchAll(/^\| `(HODEI_WORKER_\w+)` \| (.*?) \|/gm)].map(
    ([, name = "", value = ""]) => [name, value],
  );
}

test("docs/operations.md has every setting of a worker with its default, and no other", () => {
  const documented = documentedSettings();
  const config: Record<string, unknown> = loadWorkerConfig({}, { serverUrl: "https://host:1" });
  // The error that names them all is what a user sees who mistypes one.
  assert.throws(
    () => loadWorkerConfig({ HODEI_WORKER_NONE: "" }),
    ({ message }: Error) => {
      const known = message.match(/HODEI_WORKER_(?!NONE)\w+/g) ?? [];
      assert.deepEqual(
        documented.map(([name]) => name),
        known,
      );
      return true;
    },
  );
  for (const [name = "", documentedDefault] of documented) {
    const key = name.replace("HODEI_WORKER_", "").toLowerCase();
    const value = config[key.replaceAll(/_([a-z])/g, (_, letter) => letter.toUpperCase())];
    // Others depend on the machine, and are told in words.
    if (typeof value === "number" || key === "log_level") {
      assert.equal(documentedDefault, String(value), name);
    }
  }
});

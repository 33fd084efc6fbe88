import { readFileSync } from "node:fs";

/** Version of this program, from its package; all packages have the same. */
export function readVersion(): string {
  const file = new URL("../package.json", import.meta.url);
  return (JSON.parse(readFileSync(file, "utf8")) as { readonly version: string }).version;
}

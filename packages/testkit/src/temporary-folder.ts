import { chmodSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/**
 * Makes a folder, which goes with all that is in it when this process ends. Others may pass through, as the database of a
 * test that runs as root must.
 */
export function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), "hodei-test-"));
  chmodSync(folder, 0o711);
  process.once("exit", () => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

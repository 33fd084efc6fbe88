import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after } from "node:test";
import { pino } from "pino";
import { Spool, type SpoolOptions } from "../src/spool/spool.ts";

const MIB = 1024 * 1024;

/** A spool in a folder of its own, which goes when the tests of the file have ended. */
export function temporarySpool(parts: Partial<SpoolOptions> = {}): Spool {
  const folder = mkdtempSync(join(tmpdir(), "hodei-spool-test-"));
  after(() => rmSync(folder, { recursive: true, force: true }));
  return openSpool(folder, parts);
}

/** The spool of a worker that starts on `folder`. */
export function openSpool(folder: string, parts: Partial<SpoolOptions> = {}): Spool {
  const log = pino({ level: "silent" });
  return Spool.open({ log, folder, maxBytes: 64 * MIB, attemptMaxBytes: 16 * MIB, ...parts });
}

import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { readFile, rm, writeFile } from "node:fs/promises";
import { platform, tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, test } from "node:test";
import type { MessageInitShape } from "@bufbuild/protobuf";
import { ExitReason, type JobSpecSchema } from "@hodei/proto/hodei/v1/job";
import type { Heartbeat } from "@hodei/proto/hodei/v1/worker_service";
import { waitFor } from "@hodei/testkit";
import { pino } from "pino";
import { WorkerFixture } from "../../test/worker-fixture.ts";
import { systemClock } from "../clock.ts";
import { MachineMetrics } from "./machine-metrics.ts";

const MIB = 1024 * 1024;
const skip = platform() !== "linux" && "reads the files of Linux's kernel";

const TRUE = { work: { case: "command", value: { argv: ["true"] } } } satisfies MessageInitShape<
  typeof JobSpecSchema
>;

const FILLER = {
  work: { case: "script", value: { content: "dd if=/dev/zero of=filler bs=1M status=none" } },
} satisfies MessageInitShape<typeof JobSpecSchema>;

/** Idle and all ticks of all cores, as `awk` sees them. */
function readTicks(): { idle: number; all: number } {
  const program = "NR == 1 { print $5 + $6, $2 + $3 + $4 + $5 + $6 + $7 + $8 + $9 }";
  const [idle = 0, all = 0] = execFileSync("awk", [program, "/proc/stat"], { encoding: "utf8" })
    .split(" ")
    .map(Number);
  return { idle, all };
}

function isNear(actual: number, expected: number, tolerance: number, what: string): void {
  assert.ok(Math.abs(actual - expected) <= tolerance, `${what}: ${actual}, expected ${expected}`);
}

test("under load, a measurement is within 5 % of what the kernel says", { skip }, async () => {
  const deps = { clock: systemClock, log: pino({ level: "silent" }) };
  const metrics = new MachineMetrics(deps, 35_000);
  const before = readTicks();
  await metrics.start();
  const spin = "const end = Date.now() + 2000; while (Date.now() < end);";
  await once(spawn(process.execPath, ["-e", spin]), "exit");
  await metrics.refresh();
  const after = readTicks();
  const { measured, limits } = metrics;
  assert.ok(measured);
  const inUse = 1 - (after.idle - before.idle) / (after.all - before.all);
  isNear(measured.cpuUtilization, inUse, 0.05, "share of cores in use");
  const [load = 0] = (await readFile("/proc/loadavg", "utf8")).split(" ").map(Number);
  isNear(measured.load[0] ?? 0, load, 0.05 * load + 0.01, "load");
  const meminfo = await readFile("/proc/meminfo", "utf8");
  const available = Number(/MemAvailable: *(\d+)/.exec(meminfo)?.[1]) * 1024;
  const expected = Math.min(available, limits.memoryFreeBytes);
  isNear(measured.memoryAvailableBytes, expected, 0.05 * expected, "available memory");
  for (const { mount, totalBytes, freeBytes } of measured.disks) {
    const line =
      execFileSync("df", ["-B1", "-P", mount], { encoding: "utf8" }).split("\n")[1] ?? "";
    const [, total, , free] = line.split(/\s+/).map(Number);
    isNear(freeBytes, free ?? 0, 0.05 * totalBytes, `free on ${mount}`);
    isNear(totalBytes, total ?? 0, 0.05 * totalBytes, `size of ${mount}`);
  }
  await metrics.refresh();
  assert.equal(metrics.measured, measured, "a young measurement is not made anew");
});

describe("a worker", { skip }, () => {
  let fixture: WorkerFixture;
  beforeEach(async () => {
    fixture = await WorkerFixture.create(process.env);
  });
  afterEach(async () => {
    assert.deepEqual(fixture.server.violations, []);
    await fixture.close();
  });

  const lastHeartbeat = (): Heartbeat | undefined => {
    const messages = fixture.server.session?.received.map(({ message }) => message) ?? [];
    return messages
      .flatMap(({ case: name, value }) => (name === "heartbeat" ? [value] : []))
      .at(-1);
  };

  test("measures the machine beside its heartbeats, which carry it from then on", async () => {
    await fixture.startWorker();
    const heartbeat = await waitFor(() => {
      const last = lastHeartbeat();
      return last !== undefined && last.load.length > 0 ? last : undefined;
    });
    assert.equal(heartbeat.load.length, 3);
    assert.ok(heartbeat.memoryAvailableBytes > 0n);
    assert.ok(heartbeat.cpuUtilization >= 0 && heartbeat.cpuUtilization <= 1);
    assert.ok(heartbeat.eventLoopDelay);
  });

  test("takes no attempts while its disk is almost full", async (context) => {
    const disk = mountSmallDisk();
    if (disk === undefined) {
      context.skip("cannot mount a small file system: run as root");
      return;
    }
    const { folder: stateDir } = disk;
    try {
      await fixture.startWorker({ stateDir, minFreeDiskBytes: 24 * MIB });
      const isOffering = () => (lastHeartbeat()?.capacity?.diskBytes ?? 0n) > 0n;
      await waitFor(isOffering);
      await writeFile(join(stateDir, "filler"), Buffer.alloc(20 * MIB));
      await waitFor(() => lastHeartbeat()?.capacity?.diskBytes === 0n);
      assert.ok(fixture.hasLogged("worker.disk_low"));
      const refused = fixture.server.assign(TRUE);
      assert.match(await waitFor(() => refused.refusal), /disk is almost full/);
      await rm(join(stateDir, "filler"));
      await waitFor(isOffering);
      assert.ok(fixture.hasLogged("worker.disk_freed"));
      const taken = fixture.server.assign(TRUE);
      await waitFor(() => taken.results[0]);
      const filler = fixture.server.assign(FILLER);
      const { outcome } = await waitFor(() => filler.results[0]);
      assert.equal(outcome?.reason, ExitReason.DISK_FULL);
      assert.equal(outcome?.exitCode, 1);
      // What it said of that had no place either, so it is counted.
      assert.ok(filler.log.includes("No space left") || filler.missing.dropped > 0);
    } finally {
      disk.remove();
    }
  });
});

/** A file system of 40 MiB in memory; `undefined` if this user may not mount one. */
function mountSmallDisk(): { readonly folder: string; readonly remove: () => void } | undefined {
  const folder = mkdtempSync(join(tmpdir(), "hodei-small-disk-"));
  try {
    execFileSync("mount", ["-t", "tmpfs", "-o", "size=40m", "none", folder], { stdio: "ignore" });
  } catch {
    rmSync(folder, { recursive: true });
    return undefined;
  }
  const remove = (): void => {
    // Lazily: the worker on it ends after the test.
    execFileSync("umount", ["--lazy", folder]);
    rmSync(folder, { recursive: true });
  };
  return { folder, remove };
}

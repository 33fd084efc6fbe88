import { setTimeout as delay } from "node:timers/promises";
import type { NeedleScan } from "../history/needle-scan.ts";
import { scanFiles } from "../history/scan-files.ts";
import type { Fault } from "../plan/fault-plan.ts";
import { killQuietly } from "../processes/process-list.ts";
import { partOf, type Scene } from "./scene.ts";

/** A fault that was there, in the time of this machine. */
export interface PastFault extends Fault {
  readonly beganAt: Date;
  readonly healedAt: Date;
}

/** Share of the connections to the database that a `backends-kill` ends. */
const BACKENDS_SHARE = 0.5;

interface InjectDeps {
  readonly scene: Scene;
  /** Looks at what a killed worker has on its disk. */
  readonly scan: NeedleScan;
  /** Peace: what is broken is healed at once, and nothing more breaks. */
  readonly signal: AbortSignal;
}

/**
 * Does all of `faults` at their times, counted from now; one whose target is still being mended waits for that. Resolves
 * when everything is whole again; if one cannot be mended, the others are first. @throws Error the reason of that
 */
export async function injectFaults(
  deps: InjectDeps,
  faults: readonly Fault[],
): Promise<readonly PastFault[]> {
  const startedAtMs = performance.now();
  const over = new AbortController();
  if (deps.signal.aborted) over.abort();
  deps.signal.addEventListener("abort", () => over.abort(), { once: true });
  const { signal } = over;
  const failures: unknown[] = [];
  const byTarget = Map.groupBy(faults, ({ target }) => target);
  const past: PastFault[] = [];
  const injectAll = async (ofTarget: readonly Fault[]) => {
    for (const fault of ofTarget) {
      await pause(fault.atMs - (performance.now() - startedAtMs), signal);
      if (signal.aborted) return;
      const beganAt = new Date();
      await inject({ ...deps, signal }, fault);
      past.push({ ...fault, beganAt, healedAt: new Date() });
    }
  };
  await Promise.all(
    [...byTarget.values()].map((ofTarget) =>
      injectAll(ofTarget).catch((error: unknown) => {
        failures.push(error);
        over.abort();
      }),
    ),
  );
  if (failures.length > 0) throw failures[0];
  return past;
}

async function inject(
  { scene, scan, signal }: InjectDeps,
  { kind, target, durationMs }: Fault,
): Promise<void> {
  const lasting = () => pause(durationMs, signal);
  switch (kind) {
    case "worker-kill": {
      if (target === LOCAL_WORKERS) {
        for (const pid of scene.localWorkerPids().slice(0, 1)) killQuietly(pid);
        return;
      }
      const { program, stateDir } = partOf(scene.workers, target);
      await program.kill();
      await Promise.all([lasting(), scanFiles(stateDir, scan)]);
      return program.start();
    }
    case "worker-stop": {
      const { program } = partOf(scene.workers, target);
      program.signal("SIGSTOP");
      await lasting();
      return program.signal("SIGCONT");
    }
    case "server-kill": {
      const server = partOf(scene.servers, target);
      await server.program.kill();
      await lasting();
      return server.start();
    }
    case "server-stop": {
      const { program } = partOf(scene.servers, target);
      program.signal("SIGSTOP");
      await lasting();
      return program.signal("SIGCONT");
    }
    case "database-restart":
      return scene.database.restart(durationMs);
    case "database-kill":
      return scene.database.kill();
    case "backends-kill":
      return scene.database.killBackends(BACKENDS_SHARE);
    default: {
      const link = partOf(scene.links, target);
      if (kind === "link-cut") return link.cut();
      link.state = LINK_STATES[kind];
      await lasting();
      link.state = "open";
    }
  }
}

/** Target of a `worker-kill` that hits a worker which a server started. */
const LOCAL_WORKERS = "local-workers";

const LINK_STATES = {
  "link-refuse": "refused",
  "link-stall": "stalled",
  "link-swallow": "swallowed",
  "link-trickle": "trickling",
} as const;

/** Cut short by `signal`, which the caller looks at. */
async function pause(ms: number, signal: AbortSignal): Promise<void> {
  if (ms > 0) await delay(ms, undefined, { signal }).catch(() => {});
}

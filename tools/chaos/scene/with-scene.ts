import { randomInt } from "node:crypto";
import { chmod, mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { RunMarks } from "../clients/job-spec.ts";
import { findProcesses, killQuietly } from "../processes/process-list.ts";
import type { Scene } from "./scene.ts";

/** Long enough to outlive every run; the fraction marks the sleepers of one. */
const NAP_S = 7_200;
const SWEEPS = 20;
const SWEEP_PAUSE_MS = 50;

export interface SceneStage {
  readonly folder: string;
  readonly marks: RunMarks;
  /** To be told as soon as the scene exists: what it starts is then ended in any case. */
  readonly onMade: (scene: Scene) => void;
}

export interface StageOptions {
  /** Whether the folder is to stay in any case. */
  readonly isKept: boolean;
  /** Somebody ended the run, and is not interested in what it left. */
  readonly signal: AbortSignal;
  readonly say: (line: string) => void;
}

/**
 * Runs `work` in a new folder and ends all processes of it afterwards, however `work` ends. The folder is kept if `work`
 * does not resolve to true, for somebody to look into.
 */
export async function withScene(
  work: (stage: SceneStage) => Promise<boolean>,
  { isKept, signal, say }: StageOptions,
): Promise<boolean> {
  const folder = await mkdtemp(join(tmpdir(), "hodei-chaos-"));
  // PostgreSQL does not run as root; its own account must be able to reach its folder.
  await chmod(folder, 0o711);
  const marks = {
    progressDir: join(folder, "progress"),
    nap: `${NAP_S}.${randomInt(10 ** 8, 10 ** 9)}`,
  };
  await Promise.all([mkdir(marks.progressDir), mkdir(join(folder, "logs"))]);
  say(`in ${folder}`);
  let scene: Scene | undefined;
  let isClean = false;
  try {
    isClean = await work({
      folder,
      marks,
      onMade: (made) => {
        scene = made;
      },
    });
    return isClean;
  } finally {
    await endScene(scene, [folder, marks.nap]);
    if (signal.aborted || (isClean && !isKept)) await rm(folder, { recursive: true });
    else say(`everything is kept in ${folder}`);
  }
}

async function endScene(scene: Scene | undefined, marks: readonly string[]): Promise<void> {
  if (scene !== undefined) {
    await Promise.all([...scene.servers, ...scene.workers].map(({ program }) => program.kill()));
    await Promise.all(scene.links.map((link) => link.stop()));
  }
  // Local workers and jobs, again and again: some are just starting others.
  for (let sweep = 0; sweep < SWEEPS; sweep += 1) {
    const found = findProcesses(marks).filter(
      ({ commandLine }) => !commandLine.includes("postgres"),
    );
    if (found.length === 0) break;
    for (const { pid } of found) killQuietly(pid);
    await new Promise((resolve) => setTimeout(resolve, SWEEP_PAUSE_MS));
  }
  await scene?.database.stop();
}

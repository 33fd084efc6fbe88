import type { RandomStream } from "@hodei/simulator";
import { BEHAVIOURS, type Behaviour } from "../program/behaviours.ts";
import type { Task } from "../program/main.ts";
import { type Content, numbersBytes } from "../program/output.ts";

/** One job: when it is submitted, what it does, and what is done to it. */
export interface JobPlan {
  /** Idempotency key, and the job's name. */
  readonly key: string;
  /** Jobs of the same instant and burst are submitted in one request. */
  readonly atMs: number;
  readonly burst: number | null;
  readonly behaviour: Behaviour;
  readonly task: Task;
  /** So long after its submission somebody cancels it. */
  readonly cancelAfterMs: number | null;
  readonly runTimeoutMs: number;
  readonly graceMs: number;
  readonly overflow: "drop" | "block";
  readonly maxAttempts: number;
  readonly cpuMillis: number;
  readonly memoryBytes: number;
  /** Somebody follows its log from the beginning. */
  readonly isTailed: boolean;
}

/** What kind of work a run is made of: name and how often, relative to the others. */
export type Mix = readonly (readonly [JobKind, number])[];

export type JobKind = Exclude<Behaviour, "numbers"> | Exclude<Content, "numbers"> | "flood";

/** Jobs of one burst. */
export const BURST_JOBS = 200;

const KIB = 1024;
const MIB = 1024 * KIB;
/** Everything ends, also what waits for a cut network or never ends by itself. */
const RUN_TIMEOUT_MAX_MS = 45_000;
const ENDLESS_RUN_MAX_MS = 8_000;
const HOG_MEMORY_BYTES = 128 * MIB;
const NUMBERS_MAX = 400;

/** What a job is drawn from. */
export interface JobDraw {
  readonly random: RandomStream;
  readonly atMs: number;
  /** Secrets of which jobs of the content `secrets` print some. */
  readonly secretNames: readonly string[];
  /** Of what large outputs are large by; below 1 in runs that are to be short. */
  readonly volume: number;
}

/** A job of `kind` with everything else left to chance. */
export function drawJob(key: string, kind: JobKind, draw: JobDraw): JobPlan {
  const { random, atMs } = draw;
  const behaviour = isBehaviour(kind) ? kind : "plain";
  const isEndless = BEHAVIOURS[behaviour].isEndless;
  return {
    key,
    atMs,
    burst: null,
    behaviour,
    task: drawTask(kind, draw),
    cancelAfterMs: random.chance(0.2) ? random.integer(0, 6_000) : null,
    runTimeoutMs: drawRunTimeoutMs(random, isEndless),
    graceMs: random.integer(0, 1_500),
    overflow: random.chance(0.4) ? "block" : "drop",
    maxAttempts: random.integer(1, 3),
    cpuMillis: random.integer(1, 8) * 100,
    memoryBytes: behaviour === "memory-hog" ? HOG_MEMORY_BYTES : 0,
    isTailed: random.chance(0.4),
  };
}

/** Small jobs that come all at once. */
export function drawBurst(
  burst: number,
  name: string,
  { random, atMs }: JobDraw,
): readonly JobPlan[] {
  return Array.from({ length: BURST_JOBS }, (_, index) => {
    const count = random.integer(1, NUMBERS_MAX);
    const writing = {
      content: "numbers",
      seed: count,
      stdoutBytes: numbersBytes(count),
      stderrBytes: 0,
    } as const;
    return {
      key: `${name}-${index}`,
      atMs,
      burst,
      behaviour: "numbers",
      task: { writing, writeBytes: 1, pauseMs: 0, secretNames: [], exitCode: 0 },
      cancelAfterMs: random.chance(0.05) ? random.integer(0, 4_000) : null,
      runTimeoutMs: RUN_TIMEOUT_MAX_MS,
      graceMs: 500,
      overflow: "drop",
      maxAttempts: 3,
      cpuMillis: 100,
      memoryBytes: 0,
      isTailed: index % 50 === 0,
    } as const;
  });
}

function drawRunTimeoutMs(random: RandomStream, isEndless: boolean): number {
  if (isEndless) return random.integer(500, ENDLESS_RUN_MAX_MS);
  return random.chance(0.15) ? random.integer(50, 4_000) : RUN_TIMEOUT_MAX_MS;
}

function drawTask(kind: JobKind, { random, secretNames, volume }: JobDraw): Task {
  const exitCode = random.chance(0.2) ? random.integer(1, 60) : 0;
  const seed = random.integer(1, 2 ** 31 - 1);
  const task = (content: Content, maxBytes: number, writeBytes: number, pauseMs: number): Task => {
    const stdoutBytes = random.integer(Math.floor(maxBytes / 4), Math.floor(maxBytes));
    const stderrBytes = random.chance(0.5) ? 0 : random.integer(0, Math.floor(maxBytes / 4));
    return {
      writing: { content, seed, stdoutBytes, stderrBytes },
      writeBytes,
      pauseMs,
      secretNames: [],
      exitCode,
    };
  };
  switch (kind) {
    case "flood":
      return task("lines", 16 * MIB * volume, 64 * KIB, 0);
    case "blob":
      return task("blob", 40 * MIB * volume, 256 * KIB, 0);
    case "empty-lines":
      return task("empty-lines", 3 * MIB * volume, 32 * KIB, 0);
    case "binary":
      return task("binary", 2 * MIB, 16 * KIB, 4);
    case "secrets": {
      const first = random.integer(0, secretNames.length - 1);
      const names = [...secretNames, ...secretNames].slice(first, first + 3);
      return { ...task("secrets", 0, 1, random.integer(0, 30)), secretNames: names };
    }
    default:
      return task("lines", 128 * KIB, 4 * KIB, random.integer(0, 80));
  }
}

const isBehaviour = (kind: string): kind is Behaviour => kind in BEHAVIOURS;

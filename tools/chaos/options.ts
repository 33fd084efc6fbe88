import { parseArgs } from "node:util";

export const USAGE = `usage: npm run chaos -- worker|control [options]

  worker        jobs that are hard to end and to listen to, on workers that are killed, stopped and cut off
  control       several servers on one database, all of which are killed, stopped and cut off

  --minutes N   how long jobs and faults come (default: 5); fractions are allowed
  --seed N      decides jobs and faults; the same seed gives the same plan (default: a random one, printed)
  --keep        keeps the folder of the run, with all logs, also when every promise was kept
  --plan        prints the plan and runs nothing
`;

export interface Options {
  readonly mode: "worker" | "control";
  readonly durationMs: number;
  readonly seed: number;
  readonly isPlanOnly: boolean;
  readonly isKept: boolean;
}

const MINUTES_DEFAULT = 5;
const MINUTES_MAX = 600;
const SEED_MAX = 2 ** 31;

/** The options, or what is wrong with them. `random` is in [0, 1), for a seed if none is given. */
export function parseOptions(args: string[], random: () => number): Options | string {
  try {
    const { values, positionals } = parseArgs({
      args,
      options: {
        minutes: { type: "string", default: String(MINUTES_DEFAULT) },
        seed: { type: "string" },
        keep: { type: "boolean", default: false },
        plan: { type: "boolean", default: false },
      },
      allowPositionals: true,
    });
    const [mode, ...others] = positionals;
    if ((mode !== "worker" && mode !== "control") || others.length > 0)
      return "say what to run: worker or control";
    const minutes = Number(values.minutes);
    if (!(minutes > 0 && minutes <= MINUTES_MAX))
      return `--minutes: more than 0, at most ${MINUTES_MAX}`;
    const seed = Number(values.seed ?? Math.floor(random() * SEED_MAX));
    if (!Number.isSafeInteger(seed) || seed < 0) return "--seed: a whole number from 0";
    return {
      mode,
      durationMs: Math.round(minutes * 60_000),
      seed,
      isPlanOnly: values.plan,
      isKept: values.keep,
    };
  } catch (error) {
    if (error instanceof TypeError) return error.message;
    throw error;
  }
}

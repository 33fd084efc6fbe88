// `npm run chaos`: real processes under faults that a seed decides, and a judge over what is left. `docs/chaos.md` says more.

import { constants } from "node:os";
import { parseOptions, USAGE } from "./options.ts";
import { makeControlPlan } from "./plan/control-plan.ts";
import { makeWorkerPlan } from "./plan/worker-plan.ts";
import { describePlan, runChaos } from "./run-chaos.ts";
import { createControlScene } from "./scene/control-scene.ts";
import { createWorkerScene } from "./scene/worker-scene.ts";

const MODES = {
  worker: { makePlan: makeWorkerPlan, createScene: createWorkerScene },
  control: { makePlan: makeControlPlan, createScene: createControlScene },
} as const;

// At once: after a failure, clients that nobody waits for any more would keep this process.
process.exit(await main(process.argv.slice(2)));

async function main(args: string[]): Promise<number> {
  const options = parseOptions(args, Math.random);
  if (typeof options === "string") {
    console.error(`${options}\n${USAGE}`);
    return 2;
  }
  const { mode, seed, durationMs, isPlanOnly, isKept } = options;
  const { makePlan, createScene } = MODES[mode];
  const plan = makePlan({ seed, durationMs });
  if (isPlanOnly) {
    console.log(describePlan(plan));
    return 0;
  }
  console.log(
    `chaos ${mode}, seed ${seed}: ${plan.jobs.length} jobs and ${plan.faults.length} faults in ${durationMs / 60_000} minutes`,
  );
  const startedAtMs = performance.now();
  const say = (line: string) =>
    console.log(`${Math.round((performance.now() - startedAtMs) / 1_000)} s: ${line}`);
  const stop = new AbortController();
  // A bug of ours must not leave servers and workers behind either.
  process.on("uncaughtException", (error) => stop.abort(error));
  for (const name of ["SIGINT", "SIGTERM", "SIGHUP"] as const)
    process.on(name, () => stop.abort(name));
  try {
    const isGood = await runChaos({
      plan,
      createScene,
      isKept,
      signal: stop.signal,
      say,
    });
    if (!isGood)
      console.log(
        `again: npm run chaos -- ${mode} --minutes ${durationMs / 60_000} --seed ${seed}`,
      );
    return isGood ? 0 : 1;
  } catch (error) {
    const reason: unknown = stop.signal.reason;
    if (typeof reason !== "string") {
      console.error(reason ?? error);
      return 1;
    }
    console.error("chaos: stopped; everything it started has ended");
    return 128 + constants.signals[reason as NodeJS.Signals];
  }
}

import type { LogStream, Outcome } from "@hodei/domain";
import type { AttemptEnd, AttemptOutput, AttemptRun, StartAttempt } from "../src/attempt-run.ts";

/** An attempt without a process: the test says what it writes and how it ends. */
export class ScriptedRun implements AttemptRun {
  readonly #end = Promise.withResolvers<AttemptEnd>();
  readonly ended = this.#end.promise;
  readonly #output: AttemptOutput;
  /** `false` while the output takes no more. */
  isReading = true;
  terminatedWith: Outcome | undefined;
  killCount = 0;

  constructor(output: AttemptOutput) {
    this.#output = output;
  }

  write(stream: LogStream, bytes: Uint8Array): void {
    this.isReading = this.#output.write(stream, bytes);
  }

  /** Resolves once whoever waits for the end has seen it. */
  async end(outcome: Outcome): Promise<void> {
    this.#end.resolve({ outcome, processesLeft: 0, usage: null });
    await new Promise((resolve) => setImmediate(resolve));
  }

  terminate(outcome: Outcome): void {
    this.terminatedWith ??= outcome;
  }

  kill(): void {
    this.killCount += 1;
  }

  resumeOutput(): void {
    this.isReading = true;
  }
}

/** Starts scripted runs and remembers them, the latest last. */
export function scriptedStart(): { startAttempt: StartAttempt; runs: ScriptedRun[] } {
  const runs: ScriptedRun[] = [];
  const startAttempt: StartAttempt = (_ref, _spec, output) => {
    const run = new ScriptedRun(output);
    runs.push(run);
    return run;
  };
  return { startAttempt, runs };
}

import type { StartAttempt } from "./attempt-run.ts";

/** What programs look at to learn which devices are theirs: CUDA's variable and ROCm's. */
const VARIABLES = ["CUDA_VISIBLE_DEVICES", "ROCR_VISIBLE_DEVICES"] as const;

/** The GPUs of this worker, numbered from 0, and which of them attempts have. */
export class Gpus {
  readonly #count: number;
  /** In ascending order, so that it is the same devices that are in use most. */
  readonly #free: Set<number>;

  constructor(count: number) {
    this.#count = count;
    this.#free = new Set(Array.from({ length: count }, (_, index) => index));
  }

  /** Why an attempt that needs `count` GPUs cannot have them now, for people. */
  findObstacle(count: number): string | undefined {
    if (count <= this.#free.size) return undefined;
    return `${this.#free.size} of the worker's ${this.#count} GPUs are free, and ${count} are needed`;
  }

  /**
   * `startAttempt`, with GPUs for each attempt that needs some, until its last process has ended. They are told in
   * variables that nothing in the spec can replace; an attempt without GPUs on a worker that has some sees none.
   */
  assignTo(startAttempt: StartAttempt): StartAttempt {
    if (this.#count === 0) return startAttempt;
    return (ref, spec, output) => {
      const devices = this.#take(spec.gpuCount);
      const list = devices.join(",");
      const variables = Object.fromEntries(VARIABLES.map((name) => [name, list]));
      const run = startAttempt(ref, { ...spec, env: { ...spec.env, ...variables } }, output);
      void run.ended.then(() => {
        for (const device of devices) this.#free.add(device);
      });
      return run;
    };
  }

  #take(count: number): readonly number[] {
    const devices = [...this.#free].toSorted((a, b) => a - b).slice(0, count);
    for (const device of devices) this.#free.delete(device);
    return devices;
  }
}

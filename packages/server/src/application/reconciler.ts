import type { Clock, Component, Logger } from "@hodei/domain";
import type { Signals, Topic } from "./signals.ts";

export interface ReconcilerOptions {
  readonly name: string;
  /** Woken by these; what they say is not looked at. */
  readonly topics: readonly Topic[];
  /** Longest pause between two turns. */
  readonly intervalMs: number;
  /** Shortest pause between two turns, unless a turn asks for the next one at once; what wakes it meanwhile shares the next. Default: 0 */
  readonly spacingMs?: number;
  /** Whether this replica is the one to run it now. */
  readonly enabled: () => boolean;
  /** One turn: read state, compare with intent, act. May say when it wants its next turn at the latest. */
  readonly run: () => Promise<Date | undefined>;
}

/** A loop without input. A turn that fails is logged and comes again; turns never overlap. */
export class Reconciler implements Component {
  readonly #deps: { readonly clock: Clock; readonly signals: Signals; readonly log: Logger };
  readonly #options: ReconcilerOptions;
  readonly #stop = new AbortController();
  #loop: Promise<void> = Promise.resolve();

  constructor(
    deps: { readonly clock: Clock; readonly signals: Signals; readonly log: Logger },
    options: ReconcilerOptions,
  ) {
    this.#deps = deps;
    this.#options = options;
  }

  async start(): Promise<void> {
    this.#loop = this.#run();
  }

  async stop(): Promise<void> {
    this.#stop.abort();
    await this.#loop;
  }

  async #run(): Promise<void> {
    const { intervalMs, spacingMs = 0, topics } = this.#options;
    const { clock } = this.#deps;
    const wakeup = this.#deps.signals.subscribe(topics);
    while (!this.#stop.signal.aborted) {
      const next = await this.#turn();
      const untilNext = next === undefined ? intervalMs : next.getTime() - clock.now().getTime();
      if (untilNext > 0 && spacingMs > 0) await clock.sleep(spacingMs, this.#stop.signal);
      const waitMs = Math.min(intervalMs, untilNext) - spacingMs;
      await wakeup.wait(Math.max(0, waitMs), this.#stop.signal);
    }
    wakeup.close();
  }

  async #turn(): Promise<Date | undefined> {
    if (!this.#options.enabled()) return undefined;
    try {
      return await this.#options.run();
    } catch (error) {
      this.#deps.log.error("reconciler_failed", { name: this.#options.name, error });
      return undefined;
    }
  }
}

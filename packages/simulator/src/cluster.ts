import { type CommitListener, PlatformError, type StopSignal } from "@hodei/domain";
import type { Deps } from "@hodei/server/application";
import { LeaderLock } from "./leader-lock.ts";
import type { RandomStream } from "./random.ts";
import { Replica } from "./replica.ts";
import type { World } from "./world.ts";

/** A caller stops waiting then; what it asked for may have been done. */
const CALL_TIMEOUT_MS = 10_000;
const CALL_DELAY_MAX_MS = 10;
const LOST_ANSWER_PROBABILITY = 0.01;
/** How often a caller makes sure that its stream is still open. */
const PING_INTERVAL_MS = 1_000;
const NOTIFICATION_DELAY_MAX_MS = 10;
const LOST_NOTIFICATION_PROBABILITY = 0.7;
/** Until a replica knows that its connection with the lock has ended. */
const LOST_LEADERSHIP_NOTICED_MAX_MS = 20;

/** The server replicas over one database, and how others reach them. */
export class Cluster {
  readonly #world: World;
  readonly #random: RandomStream;
  readonly #leaderLock = new LeaderLock();
  #replicas: readonly Replica[] = [];
  #startedCount = 0;
  #committing: Replica | undefined;

  constructor(world: World) {
    this.#world = world;
    this.#random = world.random.split("cluster");
  }

  /** Those that live. */
  get replicas(): readonly Replica[] {
    return this.#replicas;
  }

  start(): void {
    for (let count = 0; count < this.#world.scenario.replicaCount; count += 1) this.#startOne();
  }

  /** Crashes `replica`; another process takes its place in `downMs`. */
  crash(replica: Replica, downMs: number): void {
    replica.crash();
    this.#replace(replica, downMs);
  }

  /** Stops `replica` in order; another process takes its place in `downMs`. */
  stop(replica: Replica, downMs: number): void {
    this.#world.follow(replica.name, replica.stop());
    this.#replace(replica, downMs);
  }

  /** The leader loses the lock, which is then free for whoever asks first. */
  changeLeader(): void {
    const leader = this.#replicas.find(({ id }) => id === this.#leaderLock.holder);
    leader?.loseLeadership(this.#random.integer(0, LOST_LEADERSHIP_NOTICED_MAX_MS));
  }

  /**
   * Has any replica run `useCase`, as a client of the API does.
   * @throws PlatformError `unavailable` if no answer came; what was asked for may have been done or not
   */
  async call<T>(useCase: (deps: Deps) => Promise<T>): Promise<T> {
    const { clock, conditions } = this.#world;
    const random = this.#random;
    const replica = await this.#reach();
    return new Promise((resolve, reject) => {
      const cancelTimeout = clock.schedule(CALL_TIMEOUT_MS, () => reject(noAnswer("time is up")));
      const answer = (arrive: () => void) => {
        const lost = conditions.answersLost.holds || random.chance(LOST_ANSWER_PROBABILITY);
        if (!replica.isAlive || lost) return;
        clock.schedule(random.integer(1, CALL_DELAY_MAX_MS), () => {
          cancelTimeout();
          arrive();
        });
      };
      useCase(replica.deps).then(
        (result) => answer(() => resolve(result)),
        (error) => answer(() => reject(error)),
      );
    });
  }

  /**
   * Has any replica stream to the caller, as a client of the API does; resolves when the stream has come to its end.
   * @throws PlatformError `unavailable` if it broke before; what was handed to `onItem` until then was received
   */
  async stream<T>(
    source: (deps: Deps, stop: StopSignal) => AsyncIterable<T>,
    onItem: (item: T) => void,
  ): Promise<void> {
    const replica = await this.#reach();
    const stop = new AbortController();
    const receive = async () => {
      for await (const item of source(replica.deps, stop.signal)) {
        if (stop.signal.aborted) return;
        onItem(item);
      }
    };
    try {
      await Promise.race([receive(), this.#untilBroken(replica, stop.signal)]);
    } finally {
      stop.abort();
    }
  }

  /** Fails when the replica has died, or the connection breaks by itself. */
  async #untilBroken(replica: Replica, stop: StopSignal): Promise<void> {
    const { clock, conditions } = this.#world;
    while (!stop.aborted) {
      await clock.sleep(PING_INTERVAL_MS, stop);
      const probability = conditions.answersLost.holds ? 0.5 : LOST_ANSWER_PROBABILITY;
      const isBroken = !replica.isAlive || this.#random.chance(probability);
      if (isBroken && !stop.aborted) throw noAnswer("the stream broke");
    }
  }

  /** A replica that takes the call. */
  async #reach(): Promise<Replica> {
    await this.#world.clock.sleep(this.#random.integer(1, CALL_DELAY_MAX_MS));
    const replica = this.#random.pick(this.#replicas);
    if (replica === undefined) throw noAnswer("no replica listens");
    return replica;
  }

  /** Wakes replicas: the one that committed at once and by name, others later, in general, or never. */
  readonly onCommit: CommitListener = (events, inserted) => {
    const committer = this.#committing;
    this.#committing = undefined;
    committer?.deps.signals.onCommit(events, inserted);
    const { clock, conditions } = this.#world;
    for (const replica of this.#replicas) {
      const lost =
        conditions.notificationsLost.holds && this.#random.chance(LOST_NOTIFICATION_PROBABILITY);
      if (replica === committer || lost || !replica.link.isUp) continue;
      clock.schedule(this.#random.integer(0, NOTIFICATION_DELAY_MAX_MS), () =>
        replica.deps.signals.notifyAll(),
      );
    }
  };

  #replace(replica: Replica, downMs: number): void {
    this.#replicas = this.#replicas.filter((other) => other !== replica);
    this.#world.clock.schedule(downMs, () => this.#startOne());
  }

  #startOne(): void {
    this.#startedCount += 1;
    const replica = new Replica(this.#world, {
      series: this.#startedCount,
      leaderLock: this.#leaderLock,
      onCommitting: (committing) => {
        this.#committing = committing;
      },
    });
    this.#replicas = [...this.#replicas, replica];
    this.#world.follow(replica.name, replica.start());
  }
}

function noAnswer(why: string): PlatformError {
  return new PlatformError("unavailable", "no_answer", `no answer: ${why}`);
}

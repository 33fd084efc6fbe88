import type { Clock, CommitListener, EventRecord, Job, StopSignal } from "@hodei/domain";

/**
 * What can be waited for. A topic says "look again", never what happened. `due`: a job may be placed, because it waits or
 * another has made room. `held`: a session may have something to carry about a job that its worker has.
 */
export type Topic = "due" | "held" | "workers" | "events" | `job:${string}` | `log:${string}`;

/** Waits for topics. A notification that came since the last wait ended is not missed. */
export interface Wakeup {
  /** Resolves when one of the topics was notified, after `timeoutMs`, or when `stop` aborts; never rejects. */
  wait(timeoutMs: number, stop?: StopSignal): Promise<void>;
  close(): void;
}

/** Is told of every change that this process learns of, before anybody is woken. */
export interface Follower {
  /** By this process, with what was stored; `inserted` are new jobs among it, as they are now. */
  committed(events: readonly EventRecord[], inserted: readonly Job[]): void;
  /** By other replicas; nobody says what. */
  changedElsewhere(): void;
}

/**
 * Wake-ups within one process. Nothing is queued and nothing is lost: each listener holds one flag per subscription, so
 * memory is bounded by the number of listeners.
 */
export class Signals {
  readonly #clock: Clock;
  readonly #listeners = new Map<Topic, Set<() => void>>();

  readonly #followers: Follower[] = [];

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** For as long as the process lives. */
  follow(follower: Follower): void {
    this.#followers.push(follower);
  }

  notify(topic: Topic): void {
    for (const listener of this.#listeners.get(topic) ?? []) listener();
  }

  /** For changes made by other replicas, of which only the fact is known. */
  notifyAll(): void {
    for (const follower of this.#followers) follower.changedElsewhere();
    for (const topic of this.#listeners.keys()) this.notify(topic);
  }

  /** Listens for commits of this process. */
  readonly onCommit: CommitListener = (events, inserted = []) => {
    if (events.length === 0) return;
    for (const follower of this.#followers) follower.committed(events, inserted);
    const topics = new Set<Topic>(["events"]);
    for (const { subjectType, subjectId, type } of events) {
      if (subjectType === "worker") topics.add("workers");
      if (subjectType !== "job") continue;
      topics.add(`job:${subjectId}`);
      const loops = loopsTopic(type);
      if (loops !== undefined) topics.add(loops);
    }
    for (const topic of topics) this.notify(topic);
  };

  subscribe(topics: readonly Topic[]): Wakeup {
    let pending = false;
    let wake: (() => void) | undefined;
    const listener = () => {
      pending = true;
      wake?.();
    };
    for (const topic of topics) this.#add(topic, listener);
    return {
      wait: async (timeoutMs, stop) => {
        if (!pending && !stop?.aborted) {
          const timer = new AbortController();
          // A reason of its own: the default one is an error, whose stack costs more than all else here.
          wake = () => timer.abort("woken");
          stop?.addEventListener("abort", wake, { once: true });
          await this.#clock.sleep(timeoutMs, timer.signal);
          stop?.removeEventListener("abort", wake);
          wake = undefined;
        }
        pending = false;
      },
      close: () => {
        for (const topic of topics) this.#remove(topic, listener);
      },
    };
  }

  #add(topic: Topic, listener: () => void): void {
    const listeners = this.#listeners.get(topic) ?? new Set();
    this.#listeners.set(topic, listeners.add(listener));
  }

  #remove(topic: Topic, listener: () => void): void {
    const listeners = this.#listeners.get(topic);
    listeners?.delete(listener);
    if (listeners?.size === 0) this.#listeners.delete(topic);
  }
}

/** Which loops an event of a job concerns. An assignment is sent by who stored it; of others' the poll finds out. */
function loopsTopic(type: string): "due" | "held" | undefined {
  switch (type) {
    case "job.assigned":
    case "job.started":
    case "job.room_claimed":
      return undefined;
    case "job.cancel_requested":
    case "job.preempt_requested":
      return "held";
    default:
      return "due";
  }
}

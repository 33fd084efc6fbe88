import {
  type AttemptRef,
  type AttemptReport,
  applyWorkerEvent,
  type Capacity,
  isAttemptOver,
  isOtherCapacity,
  isPlatformError,
  type JobChange,
  type LogBatch,
  type ServerMessage,
  type WorkerEvent,
  type WorkerMessage,
} from "@hodei/domain";
import {
  endAttempt,
  type HeldJob,
  isCurrent,
  refuseAttempt,
  startAttempt,
  withAttempt,
} from "./attempts.ts";
import type { Deps } from "./deps.ts";
import { disconnectWorker } from "./disconnect-worker.ts";
import type { OpenSession } from "./sessions.ts";

/** Messages of one session that are worked on at once; at the bound the stream is read no further. */
const MAX_IN_FLIGHT_COUNT = 64;

/**
 * The server's end of one worker's stream. Messages about one attempt are worked on in order, those of different
 * attempts side by side.
 */
export class Session {
  readonly #deps: Deps;
  readonly #open: OpenSession;
  readonly #chains = new Map<string, Promise<void>>();
  readonly #inFlight = new Set<Promise<void>>();
  /** Of the first message that could not be worked on. */
  #failure: unknown;

  constructor(deps: Deps, open: OpenSession) {
    this.#deps = deps;
    this.#open = open;
  }

  /** What to send to the worker; ends when the session is to end. */
  get outgoing(): AsyncIterable<ServerMessage> {
    return this.#open.outgoing;
  }

  /**
   * Takes one message; resolves when the next may come. A message that cannot be worked on ends the session: the worker
   * opens a new one and sends again what was not acked.
   */
  async receive(message: WorkerMessage): Promise<void> {
    const now = this.#deps.clock.now();
    this.#open.lastHeardAt = now;
    switch (message.type) {
      case "heartbeat":
        if (message.metrics !== null) {
          this.#open.metrics = { ...message.metrics, reportedAt: now };
        }
        if (message.capacity !== null) return this.#setCapacity(message.capacity);
        return;
      case "going_away":
        return this.#track(this.#drain());
      case "log_batch":
        return this.#queueLog(message.batch);
      case "attempt_finished":
        return this.#queue(message.report.ref, () => this.#finish(message.report));
      case "attempt_started":
        return this.#queue(message.ref, () => this.#start(message.ref));
      case "attempt_refused":
        return this.#queue(message.ref, () => this.#return(message.ref, message.message));
    }
  }

  /** The stream is over. Resolves when all that was received has been worked on and the end is stored. */
  async close(message: string): Promise<void> {
    this.#open.end();
    await Promise.all(this.#inFlight);
    if (!this.#deps.sessions.remove(this.#open)) return;
    const { workerId, connectedAt } = this.#open;
    const { orphanGraceMs, reconnectGraceMs } = this.#deps.settings;
    // It may find no database when it comes back, and waits longer and longer then.
    const isOurs = isPlatformError(this.#failure, "unavailable");
    const graceMs = isOurs ? orphanGraceMs : reconnectGraceMs;
    await disconnectWorker(this.#deps, { workerId, connectedAt, message, graceMs });
    this.#deps.log.info("session_closed", { workerId, message });
  }

  /**
   * Batches go to the store as they come: it keeps their order, and those that wait for it share a commit. What comes
   * after them, such as the result, waits for all of them.
   */
  #queueLog(batch: LogBatch): Promise<void> {
    const appended = this.#appendLog(batch);
    return this.#chain(batch.ref, async (previous) => {
      await Promise.all([previous, appended]);
    });
  }

  #queue(ref: AttemptRef, work: () => Promise<void>): Promise<void> {
    return this.#chain(ref, (previous) => previous.then(work));
  }

  async #chain(ref: AttemptRef, follow: (previous: Promise<void>) => Promise<void>): Promise<void> {
    const previous = this.#chains.get(ref.leaseToken) ?? Promise.resolve();
    const next = follow(previous);
    this.#chains.set(ref.leaseToken, next);
    await this.#track(next);
    const clean = () => {
      if (this.#chains.get(ref.leaseToken) === next) this.#chains.delete(ref.leaseToken);
    };
    // Its failure is handled where it is tracked.
    void next.then(clean, clean);
  }

  /** Lets `work` go on beside the next message while there is room. */
  async #track(work: Promise<void>): Promise<void> {
    const guarded = work
      .catch((error: unknown) => {
        this.#fail(error);
      })
      .finally(() => this.#inFlight.delete(guarded));
    this.#inFlight.add(guarded);
    if (this.#inFlight.size >= MAX_IN_FLIGHT_COUNT) await Promise.race(this.#inFlight);
  }

  /** Ends the session, and tells of the first failure only: the messages beside it fail for the same reason. */
  #fail(error: unknown): void {
    if (this.#failure === undefined) {
      this.#deps.log.warn("session_failed", { workerId: this.#open.workerId, error });
    }
    this.#failure ??= error;
    this.#open.end();
  }

  async #start(ref: AttemptRef): Promise<void> {
    const current = await this.#step(ref, (held) =>
      held.job.state === "assigned" ? startAttempt(held, this.#deps.clock.now()) : undefined,
    );
    if (!current) this.#abandon(ref);
  }

  async #return(ref: AttemptRef, message: string): Promise<void> {
    await this.#step(ref, (held) =>
      held.job.state === "assigned"
        ? refuseAttempt(held, this.#deps.clock.now(), message)
        : undefined,
    );
    this.#open.known.delete(ref.leaseToken);
  }

  async #appendLog(batch: LogBatch): Promise<void> {
    const { logs, signals } = this.#deps;
    const [result] = await logs.append([batch]);
    if (result?.kind !== "stored") return this.#abandon(batch.ref);
    this.#open.durableOffsets.set(batch.ref.leaseToken, result.durableOffset);
    this.#open.send({ type: "log_ack", ack: { ref: batch.ref, offset: result.durableOffset } });
    signals.notify(`log:${batch.ref.jobId}`);
  }

  /** Accepts the result of the current attempt once; a repeat of an accepted one is acked again. */
  async #finish(report: AttemptReport): Promise<void> {
    const { ref } = report;
    const { clock, random, log } = this.#deps;
    if (!(await this.#isLogWhole(report))) {
      log.warn("result_before_log", { workerId: this.#open.workerId, ...ref });
      return;
    }
    const ended = await this.#step(ref, (held) =>
      endAttempt(held, report, { at: clock.now(), random }),
    );
    const accepted = ended || (await this.#wasAccepted(ref));
    if (!accepted) {
      this.#deps.statistics.lateResultCount += 1;
      log.warn("stale_result_refused", { workerId: this.#open.workerId, ...ref });
    }
    this.#open.known.delete(ref.leaseToken);
    this.#open.send({ type: "result_ack", ref, accepted });
  }

  /** Whether all that the attempt wrote is stored. A result that comes before is not answered: it comes again, after the log. */
  async #isLogWhole({ ref, logBytes }: AttemptReport): Promise<boolean> {
    const stored = this.#open.durableOffsets.get(ref.leaseToken) ?? 0;
    if (logBytes <= stored) return true;
    return logBytes <= (await this.#deps.logs.durableOffset(ref.jobId, ref.attempt));
  }

  /** Whether the attempt ended before with a result of its worker. */
  async #wasAccepted(ref: AttemptRef): Promise<boolean> {
    const attempt = await this.#deps.database.readers.attempts.find(ref.jobId, ref.attempt);
    if (attempt?.leaseToken !== ref.leaseToken || attempt.state === "lost") return false;
    return isAttemptOver(attempt.state);
  }

  /**
   * Stores the next step of the current attempt; `false` if `ref` is not of the current one. `decide` may find that there
   * is nothing to do, and is asked again if somebody else has changed the job since this session last stored it.
   */
  async #step(ref: AttemptRef, decide: (held: HeldJob) => JobChange | undefined): Promise<boolean> {
    const { database } = this.#deps;
    const { known, workerId } = this.#open;
    const last = known.get(ref.leaseToken);
    if (last !== undefined && isCurrent(last.job, workerId, ref)) {
      const change = decide(last);
      const job = change && (await database.changeJob(change));
      if (change !== undefined && job !== undefined) {
        known.set(ref.leaseToken, { job, attempt: change.attempt });
        return true;
      }
      known.delete(ref.leaseToken);
    }
    const held = await database.transact(async (stores) => {
      const job = await stores.jobs.lock(ref.jobId);
      if (!isCurrent(job, workerId, ref)) return undefined;
      const stored = await withAttempt(stores, job);
      const change = decide(stored);
      if (change === undefined) return stored;
      const [changed = job] = await stores.jobs.updateAll([change]);
      return { job: changed, attempt: change.attempt };
    });
    if (held !== undefined) known.set(ref.leaseToken, held);
    return held !== undefined;
  }

  /** Plans are made by another replica perhaps, so it is stored. Not with each heartbeat: free disk changes all the time. */
  async #setCapacity(capacity: Capacity): Promise<void> {
    const open = this.#open;
    open.capacity = capacity;
    if (!isOtherCapacity(open.storedCapacity, capacity)) return;
    const before = open.storedCapacity;
    open.storedCapacity = capacity;
    await this.#track(
      this.#storeCapacity(capacity).catch((error: unknown) => {
        open.storedCapacity = before; // The next heartbeat tries again.
        this.#deps.log.warn("capacity_not_stored", { workerId: open.workerId, error });
      }),
    );
  }

  async #storeCapacity(capacity: Capacity): Promise<void> {
    const { workerId, connectedAt } = this.#open;
    await this.#deps.database.transact(async ({ workers }) => {
      const worker = await workers.lock(workerId);
      // Another session has said what holds now.
      if (worker.connectedAt?.getTime() !== connectedAt.getTime()) return;
      if (worker.state !== "ready" && worker.state !== "draining") return;
      const event: WorkerEvent = { type: "capacity_changed", at: this.#deps.clock.now(), capacity };
      await workers.update(applyWorkerEvent(worker, event), [event]);
    });
  }

  async #drain(): Promise<void> {
    await this.#deps.database.transact(async ({ workers }) => {
      const worker = await workers.lock(this.#open.workerId);
      if (worker.drainRequestedAt !== null) return;
      const event: WorkerEvent = {
        type: "drain_requested",
        at: this.#deps.clock.now(),
        by: "the worker itself",
      };
      await workers.update(applyWorkerEvent(worker, event), [event]);
    });
  }

  #abandon(ref: AttemptRef): void {
    this.#open.send({ type: "abandon_attempt", ref });
  }
}

import type { Capacity, LeaseToken, ServerMessage, WorkerId, WorkerMetrics } from "@hodei/domain";
import type { HeldJob } from "./attempts.ts";
import { MessageQueue } from "./message-queue.ts";

/** Metrics and when the heartbeat with them arrived. */
export interface ReportedMetrics extends WorkerMetrics {
  readonly reportedAt: Date;
}

/** One worker's open stream, as this replica knows it. */
export class OpenSession {
  readonly workerId: WorkerId;
  readonly outgoing: MessageQueue<ServerMessage>;
  /** As stored with the worker; tells this session from a later one. */
  readonly connectedAt: Date;
  /** What the worker last said that it can hold. */
  capacity: Capacity;
  /** What is stored of that, or soon will be. */
  storedCapacity: Capacity;
  /** What it last measured; `null` before it did. */
  metrics: ReportedMetrics | null = null;
  lastHeardAt: Date;
  /** Assignments and cancels that this session has carried already, by lease token. */
  readonly sentAssignments = new Set<LeaseToken>();
  readonly sentCancels = new Set<LeaseToken>();
  /**
   * Attempts as this session or the scheduler beside it stored them last: what comes next is decided on these without
   * reading them, and stored only if nobody else changed the job. Not all are here.
   */
  readonly known = new Map<LeaseToken, HeldJob>();
  /** How much is stored of the logs that it has carried. */
  readonly durableOffsets = new Map<LeaseToken, number>();
  sentDrain = false;

  constructor(workerId: WorkerId, capacity: Capacity, connectedAt: Date) {
    this.workerId = workerId;
    this.capacity = capacity;
    this.storedCapacity = capacity;
    this.connectedAt = connectedAt;
    this.lastHeardAt = connectedAt;
    this.outgoing = new MessageQueue();
  }

  send(message: ServerMessage): void {
    this.outgoing.push(message);
  }

  /** Ends the stream; the worker comes back by itself. */
  end(): void {
    this.outgoing.end();
  }

  /** Forgets what was sent for an attempt that no reader of jobs still sees here. */
  forget(token: LeaseToken): void {
    this.sentAssignments.delete(token);
    this.sentCancels.delete(token);
    this.known.delete(token);
    this.durableOffsets.delete(token);
  }
}

/** The sessions of this replica, at most one per worker. Memory only: after a crash, workers open them anew. */
export class Sessions {
  readonly #open = new Map<WorkerId, OpenSession>();

  /** Makes `session` the worker's only one; an earlier one is ended. */
  add(session: OpenSession): void {
    this.#open.get(session.workerId)?.end();
    this.#open.set(session.workerId, session);
  }

  /** False if another session of the worker has taken its place. */
  remove(session: OpenSession): boolean {
    if (this.#open.get(session.workerId) !== session) return false;
    return this.#open.delete(session.workerId);
  }

  /**
   * Forgets all sessions without a word: this server is stopping, and their workers are to have the time that they get
   * when a server dies. Their streams end with the listener.
   */
  forgetAll(): void {
    this.#open.clear();
  }

  find(workerId: WorkerId): OpenSession | undefined {
    return this.#open.get(workerId);
  }

  all(): readonly OpenSession[] {
    return [...this.#open.values()];
  }
}

import type {
  AttemptRef,
  Capacity,
  ExitReason,
  JobSpec,
  Outcome,
  ServerMessage,
  WorkerId,
} from "@hodei/domain";
import type { Connection } from "./history.ts";
import type { NetworkStream } from "./network-stream.ts";
import type { RandomStream } from "./random.ts";
import { SimulatedAttempt } from "./simulated-attempt.ts";
import type { SimulatedNetwork } from "./simulated-network.ts";
import { SimulatedProcess } from "./simulated-process.ts";
import type { World } from "./world.ts";

const RECONNECT_FIRST_MAX_MS = 1_000;
/** Share of assignments that a worker cannot take. */
const REFUSAL_PROBABILITY = 0.02;

export interface WorkerOptions {
  readonly workerId: WorkerId;
  readonly capacity: Capacity;
  readonly network: SimulatedNetwork;
  /** The process has ended by itself and will not come back. */
  readonly onExit: () => void;
}

/**
 * The worker's side of the session protocol, and the processes of its attempts. It remembers its attempts in memory only:
 * a crash forgets them all.
 */
export class SimulatedWorker {
  readonly workerId: WorkerId;
  readonly #world: World;
  readonly #random: RandomStream;
  readonly #options: WorkerOptions;
  /** `undefined` while there is none. */
  #process: SimulatedProcess | undefined;
  readonly #attempts = new Map<string, SimulatedAttempt>();
  #stream: NetworkStream | undefined;
  #connection: Connection | undefined;
  #failedTries = 0;
  #isDraining = false;
  #isGone = false;

  constructor(world: World, options: WorkerOptions) {
    this.workerId = options.workerId;
    this.#world = world;
    this.#options = options;
    this.#random = world.random.split(`worker/${options.workerId}`);
  }

  /** Whether its process lives, stopped or not. */
  get isUp(): boolean {
    return this.#process !== undefined;
  }

  /** Whether it has attempts that are not settled. */
  get isBusy(): boolean {
    return this.#attempts.size > 0;
  }

  /** Its stream, while it has one that may work. */
  get stream(): NetworkStream | undefined {
    return this.#stream?.isIntact ? this.#stream : undefined;
  }

  /** Starts its process; nothing happens if it lives, or if the machine is gone. */
  start(): void {
    if (this.isUp || this.#isGone) return;
    this.#process = new SimulatedProcess(this.#world.clock);
    this.#trace("starts");
    this.#connect();
  }

  /** The process dies and forgets everything. Its peers notice soon, or by its silence only. */
  crash(): void {
    if (!this.isUp) return;
    this.#trace("crashes");
    const stream = this.#stream;
    this.#forget();
    if (this.#random.chance(0.5)) stream?.reset();
    else stream?.silence();
  }

  /** For good: its machine is gone. */
  end(): void {
    this.crash();
    this.#isGone = true;
  }

  /** Stops the process, as SIGSTOP does, for `ms`. */
  pause(ms: number): void {
    if (this.#process === undefined || this.#process.isStopped) return;
    this.#trace(`pauses for ${ms} ms`);
    this.#process.stop(ms);
    this.#process.act(() => this.#trace("goes on"));
  }

  #forget(): void {
    this.#disconnected();
    this.#process?.end();
    this.#process = undefined;
    this.#attempts.clear();
    this.#isDraining = false;
  }

  #connect(): void {
    const capacity = this.#options.capacity;
    const attempts = [...this.#attempts.values()].map(({ ref }) => ref);
    const facts = {
      version: "0.1.0",
      hostname: "worker.test",
      arch: "x64",
      labels: {},
      taints: [],
      gpuModel: "",
      capacity,
    };
    const process = this.#process;
    const isCurrent = (stream: NetworkStream) => stream === this.#stream;
    const stream: NetworkStream = this.#options.network.connect({
      workerId: this.workerId,
      hello: { facts, attempts },
      workerEnd: {
        onMessage: (message) =>
          process?.act(() => {
            if (isCurrent(stream)) this.#receive(message);
          }),
        onClose: (reason) =>
          process?.act(() => {
            if (isCurrent(stream)) this.#closed(reason);
          }),
      },
    });
    this.#stream = stream;
  }

  #closed(reason: "closed" | "refused"): void {
    this.#disconnected();
    if (reason === "refused") this.#exit("is refused");
    else this.#reconnect();
  }

  /** After a pause with full jitter, so that workers that lost one server do not come back together. */
  #reconnect(): void {
    const maxMs = Math.min(
      this.#world.scenario.timing.reconnectMaxMs,
      RECONNECT_FIRST_MAX_MS * 2 ** this.#failedTries,
    );
    this.#failedTries += 1;
    this.#later(Math.floor(this.#random.next() * maxMs), () => this.#connect());
  }

  #disconnected(): void {
    this.#stream = undefined;
    if (this.#connection !== undefined) this.#connection.toMs = this.#world.clock.elapsedMs;
    this.#connection = undefined;
  }

  #receive(message: ServerMessage): void {
    const nowMs = this.#world.clock.elapsedMs;
    switch (message.type) {
      case "welcome":
        this.#welcomed(message);
        break;
      case "assignment":
        this.#assign(message.ref, message.spec);
        break;
      case "cancel_attempt":
        this.#cancel(message.ref);
        break;
      case "abandon_attempt":
        if (this.#find(message.ref)) this.#attempts.delete(keyOf(message.ref));
        break;
      case "log_ack":
        this.#world.history.logAcks.push(message.ack);
        this.#find(message.ack.ref)?.ackLog(message.ack.offset, nowMs);
        break;
      case "result_ack":
        this.#ackResult(message.ref, message.accepted);
        break;
      case "drain":
        this.#isDraining = true;
        break;
    }
    this.#speak();
  }

  #welcomed({ heartbeatIntervalMs, logAcks }: Extract<ServerMessage, { type: "welcome" }>): void {
    const { clock, history } = this.#world;
    this.#failedTries = 0;
    this.#connection = { workerId: this.workerId, fromMs: clock.elapsedMs, toMs: null };
    history.connections.push(this.#connection);
    history.logAcks.push(...logAcks);
    const offsets = new Map(logAcks.map(({ ref, offset }) => [keyOf(ref), offset]));
    for (const [key, attempt] of this.#attempts) {
      attempt.restart(offsets.get(key) ?? 0, clock.elapsedMs);
    }
    this.#beat(this.#stream, heartbeatIntervalMs);
  }

  #beat(stream: NetworkStream | undefined, intervalMs: number): void {
    this.#later(intervalMs, () => {
      if (stream === undefined || stream !== this.#stream) return;
      stream.sendToServer({ type: "heartbeat", capacity: this.#options.capacity, metrics: null });
      this.#speak();
      this.#beat(stream, intervalMs);
    });
  }

  #assign(ref: AttemptRef, spec: JobSpec): void {
    const held = this.#attempts.get(keyOf(ref));
    const isRefused = held !== undefined || this.#isDraining;
    if (held?.ref.leaseToken === ref.leaseToken) held.repeatStart();
    else if (isRefused || this.#random.chance(REFUSAL_PROBABILITY)) {
      this.#stream?.sendToServer({ type: "attempt_refused", ref, message: "it cannot now" });
    } else {
      this.#run(new SimulatedAttempt(ref, spec));
    }
  }

  /** Starts the processes of an attempt. */
  #run(attempt: SimulatedAttempt): void {
    const { ref, program, spec } = attempt;
    const { clock, history } = this.#world;
    this.#attempts.set(keyOf(ref), attempt);
    this.#trace(`starts attempt ${ref.attempt}`, ref.jobId);
    history.starts.push({ atMs: clock.elapsedMs, workerId: this.workerId, ref });
    const { durationMs, outputBytes, writeCount, failures } = program;
    for (let part = 1; part <= writeCount; part += 1) {
      this.#later(Math.floor((durationMs * part) / writeCount), () => {
        attempt.write(Math.floor((outputBytes * part) / writeCount));
        this.#speak();
      });
    }
    const exitCode = ref.attempt <= failures ? 1 : 0;
    const reason: ExitReason = exitCode === 0 ? "completed" : "non_zero_exit";
    this.#later(durationMs, () => this.#ended(attempt, { reason, exitCode, signal: null }));
    const { runMs } = spec.timeouts;
    if (runMs !== null) this.#later(runMs, () => this.#terminate(attempt, "run_timeout"));
  }

  #cancel(ref: AttemptRef): void {
    const attempt = this.#find(ref);
    if (attempt !== undefined) this.#terminate(attempt, "cancelled_by");
  }

  /** SIGTERM, and SIGKILL after the grace: it ends within that. */
  #terminate(attempt: SimulatedAttempt, reason: ExitReason): void {
    const graceMs = this.#random.integer(0, attempt.spec.timeouts.graceMs);
    this.#later(graceMs, () => this.#ended(attempt, { reason, exitCode: null, signal: "SIGTERM" }));
  }

  #ended(attempt: SimulatedAttempt, outcome: Omit<Outcome, "message">): void {
    if (this.#find(attempt.ref) !== attempt) return;
    const report = attempt.end(outcome);
    if (report === undefined) return;
    this.#trace(`ends attempt ${report.ref.attempt}: ${outcome.reason}`, report.ref.jobId);
    this.#speak();
  }

  #ackResult(ref: AttemptRef, accepted: boolean): void {
    const { workerId } = this;
    this.#trace(`knows that its result was ${accepted ? "accepted" : "refused"}`, ref.jobId);
    this.#world.history.resultAcks.push({ workerId, ref, accepted });
    if (this.#find(ref)?.isRunning === false) this.#attempts.delete(keyOf(ref));
  }

  /** Says what there is to say, and leaves when it is draining and nothing is left. */
  #speak(): void {
    if (this.#connection === undefined) return;
    const { clock } = this.#world;
    for (const attempt of this.#attempts.values()) {
      for (;;) {
        const message = attempt.nextMessage(clock.now(), clock.elapsedMs);
        if (message === undefined) break;
        this.#stream?.sendToServer(message);
      }
    }
    if (!this.#isDraining || this.#attempts.size > 0) return;
    this.#stream?.endByWorker();
    this.#exit("leaves after its drain");
  }

  #exit(why: string): void {
    this.#trace(why);
    this.#forget();
    this.#isGone = true;
    this.#options.onExit();
  }

  #find(ref: AttemptRef): SimulatedAttempt | undefined {
    const attempt = this.#attempts.get(keyOf(ref));
    return attempt?.ref.leaseToken === ref.leaseToken ? attempt : undefined;
  }

  #later(ms: number, action: () => void): void {
    this.#process?.later(ms, action);
  }

  #trace(text: string, ...subjects: readonly string[]): void {
    this.#world.trace.add("worker", text, this.workerId, ...subjects);
  }
}

const keyOf = ({ jobId, attempt }: AttemptRef): string => `${jobId}/${attempt}`;

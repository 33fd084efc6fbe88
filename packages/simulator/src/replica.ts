import type { Component, LeaseToken, PlatformError, ReplicaId } from "@hodei/domain";
import {
  Activity,
  ClusterSnapshot,
  createLoops,
  type Deps,
  DueJobs,
  LEADERSHIP_NAME,
  LiveWorkers,
  openSession,
  type Session,
  Sessions,
  Signals,
  Statistics,
  Uptime,
  WorkerHistory,
} from "@hodei/server/application";
import { MemorySecretStore, SequenceIds } from "@hodei/testkit";
import { issueNothing, plainJoinTokens } from "./credentials.ts";
import { DatabaseLink } from "./database-link.ts";
import type { LeaderLock } from "./leader-lock.ts";
import type { NetworkStream } from "./network-stream.ts";
import type { RandomStream } from "./random.ts";
import { ReplicaClock } from "./replica-clock.ts";
import { createLogger } from "./replica-log.ts";
import type { World } from "./world.ts";

/** A candidate asks for the lock this often, and a holder looks whether it still has it. */
const CAMPAIGN_INTERVAL_MS = 500;

export interface ReplicaOptions {
  /** Number of the server process, counted over the whole run: ids are made from it. */
  readonly series: number;
  readonly leaderLock: LeaderLock;
  readonly onCommitting: (replica: Replica) => void;
}

/** One server process from its start to its end: the real use cases and loops, on simulated surroundings. */
export class Replica {
  readonly name: string;
  readonly id: ReplicaId;
  readonly deps: Deps;
  readonly link: DatabaseLink;
  readonly clock: ReplicaClock;
  readonly streams = new Set<NetworkStream>();
  readonly #world: World;
  readonly #leaderLock: LeaderLock;
  readonly #random: RandomStream;
  readonly #loops: readonly Component[];
  #isAlive = true;
  #epoch: number | undefined;

  constructor(world: World, { series, leaderLock, onCommitting }: ReplicaOptions) {
    const ids = new SequenceIds(series);
    this.name = `replica-${series}`;
    this.id = ids.next() as ReplicaId;
    this.#world = world;
    this.#leaderLock = leaderLock;
    this.#random = world.random.split(this.name);
    this.clock = new ReplicaClock(world.clock);
    const { clock, conditions, wiring, scenario } = world;
    this.link = new DatabaseLink({
      clock,
      conditions,
      random: this.#random.split("database"),
      database: wiring.database,
      logs: wiring.logs,
      onCommitting: () => onCommitting(this),
    });
    const signals = new Signals(this.clock);
    const { settings } = scenario.timing;
    const leaseTokens = new SequenceIds(LEASE_SERIES + series);
    const { readers } = this.link;
    const sessions = new Sessions();
    const statistics = new Statistics();
    const activity = new Activity();
    const workerHistory = new WorkerHistory();
    const log = createLogger(world, this.name, () => this.#isAlive);
    const liveWorkers = new LiveWorkers({ signals, readers, settings, statistics, log });
    this.deps = {
      database: this.link,
      logs: this.link.logs,
      // The jobs of the workload have no secrets.
      secrets: new MemorySecretStore({ onCommit: () => undefined }),
      clock: this.clock,
      ids,
      random: this.#random.split("application").next,
      newLeaseToken: () => leaseTokens.next() as LeaseToken,
      joinTokens: plainJoinTokens(series),
      certificateAuthority: issueNothing,
      signals,
      dueJobs: new DueJobs({
        signals,
        jobs: this.link.readers.jobs,
        settings,
      }),
      liveWorkers,
      cluster: new ClusterSnapshot({
        ...{ signals, liveWorkers, readers, sessions, settings, activity },
        ...{ workerHistory, statistics, log },
      }),
      sessions,
      replicaId: this.id,
      uptime: new Uptime(this.clock.now()),
      pools: [
        {
          pool: scenario.pool,
          provider: this.link.reach(wiring.provider),
          serverUrl: () => "https://simulated.test",
        },
      ],
      activity,
      workerHistory,
      statistics,
      subscriptions: [],
      // Days are longer than a run.
      keptRecords: [],
      settings,
      log,
    };
    this.#loops = createLoops(this.deps, { epoch: () => this.#epoch });
  }

  get isAlive(): boolean {
    return this.#isAlive;
  }

  async start(): Promise<void> {
    this.#world.trace.add(this.name, "starts");
    await this.deps.database
      .transact(({ replicas }) => replicas.renew(this.id, this.clock.now()))
      .catch(ignoreUnavailable);
    for (const loop of this.#loops) await loop.start();
    this.#world.follow(this.name, this.#campaign());
  }

  /** The process is gone: what it was doing is left where it was. */
  crash(): void {
    this.#world.trace.add(this.name, "crashes");
    this.#end();
  }

  /** Ends as an operator would end it, in the order in which a server stops. */
  async stop(): Promise<void> {
    this.#world.trace.add(this.name, "stops");
    await Promise.all(this.#loops.map((loop) => loop.stop()));
    this.deps.sessions.forgetAll();
    for (const stream of this.streams) stream.endByServer("closed");
    await this.deps.database
      .transact(({ replicas }) => replicas.remove(this.id))
      .catch(ignoreUnavailable);
    this.#end();
  }

  /** The database has ended the connection that holds the lock; the replica is told in `noticedAfterMs`. */
  loseLeadership(noticedAfterMs: number): void {
    this.#leaderLock.release(this.id);
    this.#world.clock.schedule(noticedAfterMs, () => {
      if (this.#leaderLock.holder !== this.id) this.#epoch = undefined;
    });
  }

  /** Carries one worker's session from its hello to the end of its stream, as the worker listener does. */
  async serve(stream: NetworkStream): Promise<void> {
    this.streams.add(stream);
    try {
      const session = await openSession(this.deps, stream.workerId, stream.hello);
      const sending = this.#send(session, stream);
      for await (const message of stream.incoming) {
        await session.receive(await this.#world.wiring.receive(stream.workerId, message));
      }
      await session.close("the stream ended");
      await sending;
    } catch (error) {
      const refused = (error as PlatformError).code === "permission_denied";
      this.deps.log.warn("session_refused", { workerId: stream.workerId, error });
      stream.endByServer(refused ? "refused" : "closed");
    } finally {
      this.streams.delete(stream);
    }
  }

  async #send(session: Session, stream: NetworkStream): Promise<void> {
    for await (const message of session.outgoing) {
      if (this.#isAlive) stream.sendToWorker(message);
    }
    if (this.#isAlive) stream.endByServer("closed");
  }

  async #campaign(): Promise<void> {
    while (this.#isAlive) {
      const isLeader = this.link.isUp && this.#leaderLock.acquire(this.id);
      if (!isLeader) this.#epoch = undefined;
      else if (this.#epoch === undefined) await this.#lead().catch(ignoreUnavailable);
      await this.#world.clock.sleep(
        CAMPAIGN_INTERVAL_MS + this.#random.integer(0, CAMPAIGN_INTERVAL_MS),
      );
    }
  }

  /** Begins its leadership in the session that has the lock, unless that ends meanwhile. */
  async #lead(): Promise<void> {
    const holdsLock = () => this.#leaderLock.holder === this.id;
    const epoch = await this.deps.database.transact(async ({ leadership }) =>
      holdsLock() ? leadership.begin(LEADERSHIP_NAME) : undefined,
    );
    if (epoch === undefined || !holdsLock()) return;
    this.#epoch = epoch;
    this.#world.trace.add(this.name, `leads under epoch ${epoch}`);
    this.deps.signals.notifyAll();
  }

  #end(): void {
    this.#isAlive = false;
    this.link.sever();
    this.clock.stop();
    this.loseLeadership(0);
    for (const stream of this.streams) {
      if (this.#random.chance(SILENT_DEATH_PROBABILITY)) stream.silence();
      else stream.reset();
    }
  }
}

/** Lease tokens come from series that no replica's ids come from. */
const LEASE_SERIES = 0x1000_0000;
/** Share of streams whose workers are not told when a server dies, as when its machine loses power. */
const SILENT_DEATH_PROBABILITY = 0.3;

/** What a replica does at its ends may fail; its loops do the same again, or others see that it is gone. */
function ignoreUnavailable(error: unknown): void {
  if ((error as PlatformError).code !== "unavailable") throw error;
}

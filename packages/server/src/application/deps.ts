import type {
  CertificateAuthority,
  Clock,
  Database,
  Ids,
  JoinTokenCodec,
  Logger,
  LogStore,
  NewLeaseToken,
  Random,
  ReplicaId,
  SecretStore,
} from "@hodei/domain";
import type { Activity } from "./activity.ts";
import type { ClusterSnapshot } from "./cluster-snapshot.ts";
import type { Subscription } from "./deliver-events.ts";
import type { DueJobs } from "./due-jobs.ts";
import type { KeptRecords } from "./keep-records.ts";
import type { LiveWorkers } from "./live-workers.ts";
import type { PoolMember } from "./provision-workers.ts";
import type { Sessions } from "./sessions.ts";
import type { Settings } from "./settings.ts";
import type { Signals } from "./signals.ts";
import type { Statistics } from "./statistics.ts";
import type { Uptime } from "./uptime.ts";
import type { WorkerHistory } from "./worker-history.ts";

/** All that the use cases and loops of one replica work with. Each takes the part it needs. */
export interface Deps {
  readonly database: Database;
  readonly logs: LogStore;
  readonly secrets: SecretStore;
  readonly clock: Clock;
  readonly ids: Ids;
  readonly random: Random;
  readonly newLeaseToken: NewLeaseToken;
  readonly joinTokens: JoinTokenCodec;
  readonly certificateAuthority: CertificateAuthority;
  readonly signals: Signals;
  readonly dueJobs: DueJobs;
  readonly liveWorkers: LiveWorkers;
  readonly cluster: ClusterSnapshot;
  readonly sessions: Sessions;
  readonly replicaId: ReplicaId;
  readonly uptime: Uptime;
  readonly pools: readonly PoolMember[];
  /** Who is told of events besides those who ask. */
  readonly subscriptions: readonly Subscription[];
  /** What goes when it was kept for long enough. */
  readonly keptRecords: readonly KeptRecords[];
  readonly activity: Activity;
  readonly workerHistory: WorkerHistory;
  readonly statistics: Statistics;
  readonly settings: Settings;
  readonly log: Logger;
}

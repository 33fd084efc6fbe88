import { join } from "node:path";
import {
  type CommitListener,
  type Component,
  DEFAULT_TENANT_ID,
  type PlatformError,
  type ReplicaId,
  type RetentionRules,
} from "@hodei/domain";
import {
  Activity,
  ClusterSnapshot,
  checkHealth,
  createLoops,
  DEFAULT_SETTINGS,
  type Deps,
  DueJobs,
  exitWhenIdle,
  LEADERSHIP_NAME,
  LiveWorkers,
  prepareRecords,
  Reconciler,
  Sessions,
  Signals,
  Statistics,
  Uptime,
  WorkerHistory,
} from "./application/index.ts";
import type { ServerConfig } from "./config.ts";
import { readPublicCertificate } from "./files.ts";
import {
  eventPartitions,
  finishedJobPartitions,
  logPartitions,
  type PostgresAddress,
  PostgresDatabase,
  PostgresLeadership,
  PostgresLogStore,
  PostgresNotifier,
  PostgresSecretStore,
} from "./infrastructure/postgres/index.ts";
import { openMasterKeyFile } from "./infrastructure/secrets/master-key-file.ts";
import { openApiToken } from "./infrastructure/system/api-token.ts";
import { systemClock } from "./infrastructure/system/clock.ts";
import { randomLeaseToken, timeOrderedIds } from "./infrastructure/system/ids.ts";
import { recallPorts, rememberPorts } from "./infrastructure/system/remembered-ports.ts";
import {
  type LocalCertificateAuthority,
  openCertificateAuthority,
} from "./infrastructure/tls/certificate-authority.ts";
import { joinTokenCodec } from "./infrastructure/tls/join-token-codec.ts";
import { getPeerWorkerId } from "./infrastructure/tls/peer-identity.ts";
import { HealthState } from "./interface/grpc/health.ts";
import type { HttpListener } from "./interface/grpc/http-listener.ts";
import { createPublicListener } from "./interface/grpc/public-listener.ts";
import { createWorkerListener } from "./interface/grpc/worker-listener.ts";
import { createLocalPools } from "./local-pool.ts";
import type { StartedDatabase } from "./start-database.ts";
import type { StartOptions } from "./start-server.ts";
import { readVersion } from "./version.ts";
import { webhookSubscriptions } from "./webhook-subscription.ts";
import { certificateRenewal, workerHostnames } from "./worker-certificate.ts";

/** For the sessions of workers and for the loops. */
const OWN_CONNECTIONS_MAX = 8;
/** For the calls of people and programs. */
const REQUEST_CONNECTIONS_MAX = 6;

/** All of one server but its database. */
export interface Replica extends Component {
  /** Only after `start`. */
  readonly publicUrl: () => string;
  /** Only after `start`. */
  readonly workerUrl: () => string;
  readonly apiTokenFile: string;
}

/** Puts one replica together: every port gets its adapter, every loop its turn. Nothing runs before `start`. */
export async function createReplica(
  options: StartOptions,
  { address, whenAvailable }: Pick<StartedDatabase, "address" | "whenAvailable">,
): Promise<Replica> {
  const { config } = options;
  const apiTokenFile = config.apiTokenFile ?? join(config.dataDir, "api-token");
  const { hash } = await openApiToken(apiTokenFile);
  const authority = await openCertificateAuthority(config.caDir ?? join(config.dataDir, "ca"));
  const stores = createStores(options, address);
  const workerUrl = () => urlOf("https", workers.listener);
  const subscriptions = await webhookSubscriptions(config);
  const deps = createDeps(options, { ...stores, subscriptions, authority, workerUrl });
  const ports = await choosePorts(config);
  const health = new HealthState();
  const certificate = await readPublicCertificate(config);
  const publicDeps = { ...deps, database: stores.requestDatabase };
  const publicListener = createPublicListener(publicDeps, {
    host: config.publicHost,
    port: ports.publicPort,
    ...(certificate && { certificate }),
    tokens: [{ hash, principal: { name: "admin", tenantId: DEFAULT_TENANT_ID } }],
    health,
    version: readVersion(),
  });
  const workers = await createWorkerSide(deps, config, { authority, port: ports.workerPort });
  const loops = [
    ...createLoops(deps, stores.leadership),
    workers.renewal,
    healthCheck(publicDeps, health),
    ...idleExit(deps, options, publicListener),
  ];
  const listeners = [publicListener, workers.listener];
  return {
    publicUrl: () => urlOf(certificate ? "https" : "http", publicListener),
    workerUrl,
    apiTokenFile,
    start: async () => {
      for (const part of stores.parts) await whenAvailable(() => part.start());
      await whenAvailable(() => prepareRecords(deps));
      for (const part of [...listeners, ...loops]) await part.start();
      await rememberPorts(config.dataDir, {
        publicPort: publicListener.address.port,
        workerPort: workers.listener.address.port,
      });
      health.set("", "serving");
    },
    stop: async () => {
      health.shutDown();
      await Promise.all(loops.map((loop) => loop.stop()));
      if (config.stopWorkersOnExit) await destroyMachines(deps);
      deps.sessions.forgetAll();
      await Promise.all([publicListener.stop(), workers.listener.stop()]);
      await removeReplica(deps);
      for (const part of stores.parts.toReversed()) await part.stop();
      const { discovery, lateResultCount, driftCount } = deps.statistics;
      const counts = { lateResultCount, driftCount };
      deps.log.info("replica_statistics", { discovery: discovery.summarize(), ...counts });
    },
  };
}

/** The adapters over PostgreSQL, and the wake-ups that their commits cause. */
function createStores({ config, log }: StartOptions, address: PostgresAddress) {
  const onTrouble = (error: PlatformError) =>
    log.warn("database_connection_lost", { message: error.message });
  const signals = new Signals(systemClock);
  const notifier = new PostgresNotifier({ address, onTrouble });
  notifier.onNotify(() => signals.notifyAll());
  const onCommit: CommitListener = (events, inserted) => {
    signals.onCommit(events, inserted);
    if (events.length > 0) notifier.notify();
  };
  const queueLimits = {
    tenantCount: config.tenantQueueMax ?? null,
    totalCount: config.queueMax ?? null,
  };
  // Apart: however slow what people ask for is, workers and loops go on, and people are told of it instead.
  const database = new PostgresDatabase({
    address,
    onCommit,
    queueLimits,
    connectionsMax: OWN_CONNECTIONS_MAX,
    planning: "once",
  });
  const requestDatabase = new PostgresDatabase({
    address,
    onCommit,
    queueLimits,
    connectionsMax: REQUEST_CONNECTIONS_MAX,
  });
  const logs = new PostgresLogStore({
    address,
    clock: systemClock,
    tenantBytesPerDay: config.tenantLogBytesPerDay,
    onTenantLimit: (tenantId) => log.warn("tenant_log_limit_reached", { tenantId }),
  });
  const [logDays, eventDays] = [logPartitions(address), eventPartitions(address)];
  const jobDays = finishedJobPartitions(address);
  const keyFile = config.secretKeyFile ?? join(config.dataDir, "secret-key");
  const secrets = new PostgresSecretStore({
    address,
    openMasterKey: (isInUse) => openMasterKeyFile(keyFile, isInUse),
    onCommit,
  });
  const leadership = new PostgresLeadership({
    address,
    name: LEADERSHIP_NAME,
    onHeld: () => signals.notifyAll(),
    onTrouble,
  });
  const parts: readonly Component[] = [
    database,
    requestDatabase,
    secrets,
    logs,
    logDays,
    eventDays,
    ...jobDays,
    notifier,
    leadership,
  ];
  const keptRecords = [
    { partitions: logDays, retentionMs: config.logRetentionMs, made: "ahead" as const },
    { partitions: eventDays, retentionMs: config.eventRetentionMs, made: "ahead" as const },
    // Their days say when they go, and most days are never needed.
    ...jobDays.map((partitions) => ({ partitions, retentionMs: 0, made: "when_needed" as const })),
  ];
  return { signals, database, requestDatabase, secrets, logs, leadership, keptRecords, parts };
}

function createDeps(
  options: StartOptions,
  made: Pick<
    Deps,
    "database" | "secrets" | "logs" | "signals" | "keptRecords" | "subscriptions"
  > & {
    readonly authority: LocalCertificateAuthority;
    readonly workerUrl: () => string;
  },
): Deps {
  const { database, secrets, logs, signals, subscriptions, keptRecords, authority, workerUrl } =
    made;
  const ids = timeOrderedIds();
  const settings = {
    ...DEFAULT_SETTINGS,
    ...timesOf(options.config),
    placementPolicy: options.config.placementPolicy,
    poolPolicies: options.config.poolPolicies,
    tenantJobsMax: options.config.tenantJobsMax ?? null,
    tenantWeights: options.config.tenantWeights,
    retention: retentionOf(options.config),
    ...options.settings,
  };
  const { readers } = database;
  const sessions = new Sessions();
  const statistics = new Statistics();
  const activity = new Activity();
  const workerHistory = new WorkerHistory();
  const { log } = options;
  const liveWorkers = new LiveWorkers({ signals, readers, settings, statistics, log });
  return {
    database,
    secrets,
    logs,
    clock: systemClock,
    ids,
    random: Math.random,
    newLeaseToken: randomLeaseToken,
    joinTokens: joinTokenCodec(authority.rootFingerprint),
    certificateAuthority: authority,
    signals,
    dueJobs: new DueJobs({ signals, jobs: readers.jobs, settings }),
    liveWorkers,
    cluster: new ClusterSnapshot({
      ...{ signals, liveWorkers, readers, sessions, settings, activity },
      ...{ workerHistory, statistics, log },
    }),
    sessions,
    replicaId: ids.next() as ReplicaId,
    uptime: new Uptime(systemClock.now()),
    pools: createLocalPools({ ...options, serverUrl: workerUrl }),
    subscriptions,
    keptRecords,
    activity,
    workerHistory,
    statistics,
    settings,
    log,
  };
}

function retentionOf(config: ServerConfig): RetentionRules {
  const { jobRetentionMs, jobRetentionMaxMs, poolJobRetentions, tenantJobRetentions } = config;
  const tenants = [...tenantJobRetentions];
  return {
    serverMs: jobRetentionMs,
    poolsMs: poolJobRetentions,
    tenantsMs: new Map(tenants.map(([id, { ms }]) => [id, ms])),
    maxMs: jobRetentionMaxMs,
    tenantMaxMs: new Map(
      tenants.flatMap(([id, { maxMs }]) => (maxMs === null ? [] : [[id, maxMs]])),
    ),
  };
}

function timesOf({ workerHeartbeatMs, workerSilenceMs, workerGraceMs }: ServerConfig) {
  const heartbeatIntervalMs = workerHeartbeatMs;
  return { heartbeatIntervalMs, workerSilenceMs, reconnectGraceMs: workerGraceMs };
}

/** The listener for workers, and what keeps its certificate fresh. */
async function createWorkerSide(
  deps: Deps,
  config: ServerConfig,
  { authority, port }: { readonly authority: LocalCertificateAuthority; readonly port: number },
): Promise<{ readonly listener: HttpListener; readonly renewal: Component }> {
  const hostnames = workerHostnames(config);
  const certificate = await authority.issueServerCertificate(hostnames);
  const listener = createWorkerListener(deps, {
    host: config.workerHost,
    port,
    certificate,
    rootPem: authority.rootPem,
    identifyWorker: getPeerWorkerId,
  });
  const renewal = certificateRenewal(deps, authority, {
    hostnames,
    first: certificate,
    show: (renewed) => listener.setCertificate(renewed),
  });
  return { listener, renewal };
}

async function choosePorts(config: ServerConfig) {
  const publicRecall = await recallPorts(config.dataDir, config.publicHost);
  const workerRecall = await recallPorts(config.dataDir, config.workerHost);
  return {
    publicPort: config.publicPort || publicRecall.publicPort,
    workerPort: config.workerPort || workerRecall.workerPort,
  };
}

function urlOf(scheme: string, listener: HttpListener): string {
  const { host, port } = listener.address;
  const reachable = host === "0.0.0.0" || host === "::" ? "127.0.0.1" : host;
  return `${scheme}://${reachable.includes(":") ? `[${reachable}]` : reachable}:${port}`;
}

/** Says that the server does not serve while its calls would wait in vain: for the database, or for a connection to it. */
function healthCheck(deps: Deps, health: HealthState): Component {
  return new Reconciler(deps, {
    name: "check-health",
    topics: [],
    intervalMs: deps.settings.pollIntervalMs,
    enabled: () => true,
    run: () => checkHealth(deps, (status) => health.set("", status)),
  });
}

function idleExit(deps: Deps, options: StartOptions, listener: HttpListener): Component[] {
  const { idleExitMs } = options.config;
  if (idleExitMs === undefined) return [];
  const idle = { idleExitMs, idleSince: () => listener.idleSince, exit: options.onIdle };
  return [
    new Reconciler(deps, {
      name: "idle-exit",
      topics: [],
      intervalMs: Math.min(idleExitMs, deps.settings.pollIntervalMs),
      enabled: () => true,
      run: () => exitWhenIdle(deps, idle),
    }),
  ];
}

async function destroyMachines({ pools, log }: Deps): Promise<void> {
  for (const { provider } of pools) {
    const machines = await provider.list();
    await Promise.all(machines.map(({ workerId }) => provider.destroy(workerId)));
    log.info("machines_destroyed", { provider: provider.name, count: machines.length });
  }
}

/** Lets the others know at once. If the database is away they find out by themselves. */
async function removeReplica({ database, replicaId, log }: Deps): Promise<void> {
  try {
    await database.transact(({ replicas }) => replicas.remove(replicaId));
  } catch (error) {
    log.warn("replica_not_removed", { error });
  }
}

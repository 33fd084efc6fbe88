export { Activity } from "./activity.ts";
export { cancelJob } from "./cancel-job.ts";
export { checkHealth } from "./check-health.ts";
export { ClusterSnapshot } from "./cluster-snapshot.ts";
export { type CreateJobInput, createJob, createJobs, MAX_BATCH_COUNT } from "./create-job.ts";
export { discardDeadLetters, listDeadLetters, replayDeadLetters } from "./dead-letters.ts";
export { DELIVERY_TIMEOUT_MS, type Subscription } from "./deliver-events.ts";
export type { Deps } from "./deps.ts";
export { DueJobs } from "./due-jobs.ts";
export { listEvents, type OwnEventFilter, watchEvents } from "./events.ts";
export { type Explanation, explainJob } from "./explain-job.ts";
export { LEADERSHIP_NAME, type Leadership } from "./fenced-database.ts";
export { getJob } from "./get-job.ts";
export { exitWhenIdle } from "./idle-exit.ts";
export { JOINED_POOL } from "./joined.ts";
export { type KeptRecords, prepareRecords } from "./keep-records.ts";
export { listJobs } from "./list-jobs.ts";
export { LiveWorkers } from "./live-workers.ts";
export { createLoops } from "./loops.ts";
export { openSession } from "./open-session.ts";
export { planJob } from "./plan-job.ts";
export type { Caller, Principal } from "./principal.ts";
export type { PoolMember } from "./provision-workers.ts";
export { type LogsRead, type ReadLogsInput, readLogs } from "./read-logs.ts";
export { Reconciler } from "./reconciler.ts";
export { type RegisterInput, registerWorker } from "./register-worker.ts";
export { retryJob } from "./retry-job.ts";
export { deleteSecret, listSecrets, type SecretSet, setSecret } from "./secrets.ts";
export type { Session } from "./session.ts";
export { type ReportedMetrics, Sessions } from "./sessions.ts";
export { DEFAULT_SETTINGS, type Settings } from "./settings.ts";
export { Signals } from "./signals.ts";
export { Statistics } from "./statistics.ts";
export { type LogsTailed, type TailLogsInput, tailLogs } from "./tail-logs.ts";
export { Uptime } from "./uptime.ts";
export { watchJob } from "./watch-job.ts";
export { WorkerHistory } from "./worker-history.ts";
export {
  createJoinToken,
  DEFAULT_JOIN_TOKEN_TTL_MS,
  drainWorker,
  getWorker,
  listWorkers,
  type WorkerView,
} from "./workers.ts";

import { create } from "@bufbuild/protobuf";
import {
  type Capacity,
  type DiskUsage,
  MAX_ATTEMPT_COUNT,
  type WorkerMetrics,
  workerStatus,
} from "@hodei/domain";
import {
  CapacitySchema,
  type Capacity as ProtoCapacity,
  type DiskUsage as ProtoDiskUsage,
  type Worker as ProtoWorker,
  type WorkerMetrics as ProtoWorkerMetrics,
  WorkerMetricsSchema,
  WorkerSchema,
} from "@hodei/proto/hodei/v1/worker";
import type { Heartbeat } from "@hodei/proto/hodei/v1/worker_service";
import type { ReportedMetrics, WorkerView } from "../../../application/index.ts";
import { WORKER_STATES } from "./enums.ts";
import { fromProtoUint64, toProtoUint64 } from "./numbers.ts";
import { fromProtoDuration, toProtoDuration, toProtoOptionalTime, toProtoTime } from "./times.ts";

export function toProtoWorker(view: WorkerView): ProtoWorker {
  const { worker, runningAttempts, capacity, metrics } = view;
  const { facts } = worker;
  return create(WorkerSchema, {
    id: worker.id,
    tenantId: worker.tenantId,
    state: WORKER_STATES.toProto(workerStatus(worker, runningAttempts)),
    pool: worker.pool,
    provider: worker.provider,
    hostname: facts?.hostname ?? "",
    arch: facts?.arch ?? "",
    version: facts?.version ?? "",
    labels: { ...facts?.labels },
    capacity: capacity === null ? undefined : toProtoCapacity(capacity),
    runningAttempts,
    createdAt: toProtoTime(worker.createdAt),
    connectedAt: toProtoOptionalTime(worker.connectedAt),
    terminatedAt: toProtoOptionalTime(worker.terminatedAt),
    gpuModel: facts?.gpuModel ?? "",
    taints: facts?.taints.map((taint) => ({ ...taint })) ?? [],
    metrics: metrics === null ? undefined : toProtoMetrics(metrics),
  });
}

function toProtoMetrics(metrics: ReportedMetrics): ProtoWorkerMetrics {
  return create(WorkerMetricsSchema, {
    reportedAt: toProtoTime(metrics.reportedAt),
    cpuUtilization: metrics.cpuUtilization,
    load: [...metrics.load],
    memoryAvailableBytes: toProtoUint64(metrics.memoryAvailableBytes),
    disks: metrics.disks.map(({ mount, totalBytes, freeBytes }) => ({
      mount,
      totalBytes: toProtoUint64(totalBytes),
      freeBytes: toProtoUint64(freeBytes),
    })),
    networkReceivedBytes: toProtoUint64(metrics.networkReceivedBytes),
    networkSentBytes: toProtoUint64(metrics.networkSentBytes),
    droppedLogBytes: toProtoUint64(metrics.droppedLogBytes),
    eventLoopDelay: toProtoDuration(metrics.eventLoopDelayMs),
  });
}

/** What a heartbeat says of the machine; `null` if nothing was measured. @throws PlatformError `invalid_argument` */
export function fromProtoMetrics(heartbeat: Heartbeat): WorkerMetrics | null {
  if (heartbeat.load.length === 0) return null;
  const { cpuUtilization, load, disks, eventLoopDelay } = heartbeat;
  return {
    cpuUtilization,
    load,
    memoryAvailableBytes: fromProtoUint64(
      "heartbeat.memory_available_bytes",
      heartbeat.memoryAvailableBytes,
    ),
    disks: disks.map(fromProtoDisk),
    networkReceivedBytes: fromProtoUint64(
      "heartbeat.network_received_bytes",
      heartbeat.networkReceivedBytes,
    ),
    networkSentBytes: fromProtoUint64("heartbeat.network_sent_bytes", heartbeat.networkSentBytes),
    droppedLogBytes: fromProtoUint64("heartbeat.dropped_log_bytes", heartbeat.droppedLogBytes),
    eventLoopDelayMs:
      eventLoopDelay === undefined
        ? 0
        : fromProtoDuration("heartbeat.event_loop_delay", eventLoopDelay),
  };
}

function fromProtoDisk({ mount, totalBytes, freeBytes }: ProtoDiskUsage): DiskUsage {
  return {
    mount,
    totalBytes: fromProtoUint64("heartbeat.disks.total_bytes", totalBytes),
    freeBytes: fromProtoUint64("heartbeat.disks.free_bytes", freeBytes),
  };
}

export function toProtoCapacity(capacity: Capacity): ProtoCapacity {
  const { memoryBytes, diskBytes } = capacity;
  return create(CapacitySchema, {
    ...capacity,
    memoryBytes: toProtoUint64(memoryBytes),
    diskBytes: toProtoUint64(diskBytes),
  });
}

/** @throws PlatformError `invalid_argument` */
export function fromProtoCapacity(capacity: ProtoCapacity): Capacity {
  const { cpuMillis, memoryBytes, diskBytes, gpuCount, attemptCount } = capacity;
  return {
    cpuMillis,
    memoryBytes: fromProtoUint64("capacity.memory_bytes", memoryBytes),
    diskBytes: fromProtoUint64("capacity.disk_bytes", diskBytes),
    gpuCount,
    attemptCount: attemptCount || MAX_ATTEMPT_COUNT,
  };
}

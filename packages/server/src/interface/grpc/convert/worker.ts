import { create } from "@bufbuild/protobuf";
import { type Capacity, type Worker, workerStatus } from "@hodei/domain";
import {
  CapacitySchema,
  type Capacity as ProtoCapacity,
  type Worker as ProtoWorker,
  WorkerSchema,
} from "@hodei/proto/hodei/v1/worker";
import { WORKER_STATES } from "./enums.ts";
import { fromProtoUint64, toProtoUint64 } from "./numbers.ts";
import { toProtoOptionalTime, toProtoTime } from "./times.ts";

export function toProtoWorker(worker: Worker, runningAttempts: number): ProtoWorker {
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
    capacity: facts === null ? undefined : toProtoCapacity(facts.capacity),
    runningAttempts,
    createdAt: toProtoTime(worker.createdAt),
    connectedAt: toProtoOptionalTime(worker.connectedAt),
    terminatedAt: toProtoOptionalTime(worker.terminatedAt),
  });
}

export function toProtoCapacity({ cpuMillis, memoryBytes, diskBytes }: Capacity): ProtoCapacity {
  return create(CapacitySchema, {
    cpuMillis,
    memoryBytes: toProtoUint64(memoryBytes),
    diskBytes: toProtoUint64(diskBytes),
  });
}

/** @throws PlatformError `invalid_argument` */
export function fromProtoCapacity({ cpuMillis, memoryBytes, diskBytes }: ProtoCapacity): Capacity {
  return {
    cpuMillis,
    memoryBytes: fromProtoUint64("capacity.memory_bytes", memoryBytes),
    diskBytes: fromProtoUint64("capacity.disk_bytes", diskBytes),
  };
}

import { create } from "@bufbuild/protobuf";
import { ExitReason } from "@hodei/proto/hodei/v1/job";
import {
  type AttemptRef,
  type SessionRequest,
  SessionRequestSchema,
} from "@hodei/proto/hodei/v1/worker_service";

const GIB = 1024n ** 3n;

/** What a simulated worker can hold. */
export interface SimulatedCapacity {
  readonly cpuMillis: number;
}

export function helloRequest(capacity: SimulatedCapacity): SessionRequest {
  return create(SessionRequestSchema, {
    message: {
      case: "hello",
      value: {
        version: "0.0.0",
        hostname: "simulated",
        arch: process.arch,
        capacity: toProtoCapacity(capacity),
      },
    },
  });
}

/** As large as that of a machine with two disks. */
export function heartbeatRequest(capacity: SimulatedCapacity): SessionRequest {
  const disk = { totalBytes: 500n * GIB, freeBytes: 200n * GIB };
  return create(SessionRequestSchema, {
    message: {
      case: "heartbeat",
      value: {
        capacity: toProtoCapacity(capacity),
        load: [0.5, 0.25, 0.125],
        memoryAvailableBytes: 12n * GIB,
        cpuUtilization: 0.25,
        disks: [
          { mount: "/", ...disk },
          { mount: "/var/lib/hodei", ...disk },
        ],
        networkReceivedBytes: 123_456_789n,
        networkSentBytes: 987_654_321n,
        eventLoopDelay: { nanos: 1_500_000 },
      },
    },
  });
}

export function startedRequest(ref: AttemptRef): SessionRequest {
  return create(SessionRequestSchema, { message: { case: "attemptStarted", value: { ref } } });
}

export function succeededRequest(ref: AttemptRef): SessionRequest {
  const outcome = { reason: ExitReason.COMPLETED, exitCode: 0 };
  return create(SessionRequestSchema, {
    message: { case: "attemptFinished", value: { ref, outcome } },
  });
}

const toProtoCapacity = ({ cpuMillis }: SimulatedCapacity) => ({
  cpuMillis,
  memoryBytes: 1024n * GIB,
  diskBytes: 1024n * GIB,
});

import { create } from "@bufbuild/protobuf";
import {
  type AttemptRef,
  type AttemptReport,
  type Hello,
  type LeaseToken,
  type LogAck,
  PlatformError,
  parseJobId,
  type ServerMessage,
  type WorkerMessage,
} from "@hodei/domain";
import {
  type AttemptFinished as ProtoAttemptFinished,
  type AttemptRef as ProtoAttemptRef,
  type Hello as ProtoHello,
  type SessionRequest,
  type SessionResponse,
  SessionResponseSchema,
} from "@hodei/proto/hodei/v1/worker_service";
import { fromProtoOutcome, fromProtoUsage } from "./job.ts";
import { toProtoSpec } from "./job-spec.ts";
import { fromProtoBatch } from "./log.ts";
import { fromProtoUint64, toProtoUint64 } from "./numbers.ts";
import { toProtoDuration } from "./times.ts";
import { fromProtoCapacity, fromProtoMetrics } from "./worker.ts";

/** The first request of a session. @throws PlatformError `failed_precondition` if it is anything but a hello */
export function fromProtoHello({ message }: SessionRequest): Hello {
  if (message.case !== "hello") {
    throw new PlatformError(
      "failed_precondition",
      "hello_expected",
      `a session begins with hello, not with ${message.case ?? "an empty message"}`,
    );
  }
  return toHello(message.value);
}

/** Any later request of a session. @throws PlatformError `failed_precondition` for a second hello; `invalid_argument` */
export function fromProtoWorkerMessage({ message }: SessionRequest): WorkerMessage {
  switch (message.case) {
    case "hello":
      throw new PlatformError(
        "failed_precondition",
        "hello_repeated",
        "a session has one hello; open a new session to say it again",
      );
    case "heartbeat": {
      const { capacity } = message.value;
      return {
        type: "heartbeat",
        capacity: capacity ? fromProtoCapacity(capacity) : null,
        metrics: fromProtoMetrics(message.value),
      };
    }
    case "attemptStarted":
      return { type: "attempt_started", ref: fromProtoRef(message.value.ref) };
    case "attemptRefused": {
      const { ref, message: why } = message.value;
      return { type: "attempt_refused", ref: fromProtoRef(ref), message: why };
    }
    case "logBatch":
      return {
        type: "log_batch",
        batch: { ref: fromProtoRef(message.value.ref), ...fromProtoBatch(message.value) },
      };
    case "attemptFinished":
      return { type: "attempt_finished", report: fromProtoReport(message.value) };
    case "goingAway":
      return { type: "going_away" };
    case undefined:
      throw invalid("the message is empty, or of a kind that this server does not know");
  }
}

export function toProtoServerMessage(message: ServerMessage): SessionResponse {
  return create(SessionResponseSchema, { message: toProtoMessage(message) });
}

type ResponseInit = NonNullable<Parameters<typeof create<typeof SessionResponseSchema>>[1]>;

function toProtoMessage(message: ServerMessage): NonNullable<ResponseInit["message"]> {
  switch (message.type) {
    case "welcome": {
      const { workerId, heartbeatIntervalMs, logAcks } = message;
      return {
        case: "welcome",
        value: {
          workerId,
          heartbeatInterval: toProtoDuration(heartbeatIntervalMs),
          logAcks: logAcks.map(toProtoAck),
        },
      };
    }
    case "assignment":
      return {
        case: "assignment",
        value: {
          ref: { ...message.ref },
          spec: toProtoSpec(message.spec),
          secrets: message.secrets.map(({ name, value }) => ({ name, value })),
        },
      };
    case "cancel_attempt":
      return { case: "cancelAttempt", value: { ref: { ...message.ref } } };
    case "abandon_attempt":
      return { case: "abandonAttempt", value: { ref: { ...message.ref } } };
    case "log_ack":
      return { case: "logAck", value: toProtoAck(message.ack) };
    case "result_ack":
      return {
        case: "resultAck",
        value: { ref: { ...message.ref }, accepted: message.accepted },
      };
    case "drain":
      return { case: "drain", value: {} };
  }
}

function toProtoAck({ ref, offset }: LogAck): { ref: AttemptRef; offset: bigint } {
  return { ref: { ...ref }, offset: toProtoUint64(offset) };
}

function toHello(hello: ProtoHello): Hello {
  const { version, hostname, arch, labels, taints, gpuModel, capacity, attempts } = hello;
  if (capacity === undefined) throw invalid("hello.capacity: must be given");
  return {
    facts: {
      version,
      hostname,
      arch,
      labels,
      taints: taints.map(({ key, value }) => ({ key, value })),
      gpuModel,
      capacity: fromProtoCapacity(capacity),
    },
    attempts: attempts.map(fromProtoRef),
  };
}

function fromProtoRef(ref: ProtoAttemptRef | undefined): AttemptRef {
  if (ref === undefined) throw invalid("ref: must be given");
  const { jobId, attempt, leaseToken } = ref;
  return { jobId: parseJobId(jobId), attempt, leaseToken: leaseToken as LeaseToken };
}

function fromProtoReport(finished: ProtoAttemptFinished): AttemptReport {
  const { ref, outcome, logBytes, processesLeft, usage } = finished;
  if (outcome === undefined) throw invalid("attempt_finished.outcome: must be given");
  return {
    ref: fromProtoRef(ref),
    outcome: fromProtoOutcome(outcome),
    logBytes: fromProtoUint64("attempt_finished.log_bytes", logBytes),
    processesLeft,
    usage: usage === undefined ? null : fromProtoUsage("attempt_finished.usage", usage),
  };
}

function invalid(message: string): PlatformError {
  return new PlatformError("invalid_argument", "invalid_message", message);
}

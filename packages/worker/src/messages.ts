import { create } from "@bufbuild/protobuf";
import { durationFromMs, durationMs, timestampFromDate } from "@bufbuild/protobuf/wkt";
import {
  type AttemptRef,
  type Capacity,
  DEFAULT_CPU_MILLIS,
  DEFAULT_GRACE_MS,
  type LogCompression as DomainLogCompression,
  type LogGap as DomainLogGap,
  type LeaseToken,
  type LogAck,
  type LogBatch,
  type LogPolicy,
  type LogStream,
  type Outcome,
  PlatformError,
  parseJobId,
  type Usage,
  type WorkerFacts,
} from "@hodei/domain";
import {
  ExitReason,
  LogOverflow,
  type SecretRef as ProtoSecretRef,
  type JobSpec as ProtoSpec,
  SecretForm,
} from "@hodei/proto/hodei/v1/job";
import { LogGap, LogStream as ProtoLogStream } from "@hodei/proto/hodei/v1/log_service";
import {
  LogCompression,
  type LogAck as ProtoLogAck,
  type AttemptRef as ProtoRef,
  type SecretValue as ProtoSecretValue,
  type SessionRequest,
  SessionRequestSchema,
} from "@hodei/proto/hodei/v1/worker_service";
import type { AttemptSpec } from "./attempt-run.ts";
import type { AttemptMessage } from "./held-attempt.ts";
import type { MachineMeasurement } from "./metrics/machine-metrics.ts";
import type { AttemptSecret } from "./secrets/deliver-secrets.ts";

/** Bound of the contract on texts for people; the rest is cut off. */
const MAX_MESSAGE_BYTES = 4096;

export function helloRequest(facts: WorkerFacts, attempts: readonly AttemptRef[]): SessionRequest {
  return create(SessionRequestSchema, {
    message: {
      case: "hello",
      value: {
        ...facts,
        taints: facts.taints.map((taint) => ({ ...taint })),
        capacity: toProtoCapacity(facts.capacity),
        attempts: [...attempts],
      },
    },
  });
}

export interface HeartbeatFacts {
  readonly capacity: Capacity;
  readonly runningAttempts: number;
  /** `undefined`: nothing yet. */
  readonly measured: MachineMeasurement | undefined;
  /** Since the worker started. */
  readonly droppedLogBytes: number;
  readonly eventLoopDelayMs: number;
}

export function heartbeatRequest(facts: HeartbeatFacts): SessionRequest {
  return create(SessionRequestSchema, {
    message: {
      case: "heartbeat",
      value: {
        capacity: toProtoCapacity(facts.capacity),
        runningAttempts: facts.runningAttempts,
        ...(facts.measured && toProtoMeasurement(facts.measured)),
        droppedLogBytes: BigInt(facts.droppedLogBytes),
        eventLoopDelay: durationFromMs(Math.round(facts.eventLoopDelayMs)),
      },
    },
  });
}

function toProtoMeasurement(measured: MachineMeasurement) {
  return {
    cpuUtilization: measured.cpuUtilization,
    load: [...measured.load],
    memoryAvailableBytes: BigInt(measured.memoryAvailableBytes),
    disks: measured.disks.map(({ mount, totalBytes, freeBytes }) => ({
      mount,
      totalBytes: BigInt(totalBytes),
      freeBytes: BigInt(freeBytes),
    })),
    networkReceivedBytes: BigInt(measured.networkReceivedBytes),
    networkSentBytes: BigInt(measured.networkSentBytes),
  };
}

export function goingAwayRequest(): SessionRequest {
  return create(SessionRequestSchema, { message: { case: "goingAway", value: {} } });
}

export function attemptRequest(message: AttemptMessage): SessionRequest {
  switch (message.type) {
    case "attempt_started":
      return create(SessionRequestSchema, {
        message: { case: "attemptStarted", value: { ref: message.ref } },
      });
    case "attempt_refused":
      return create(SessionRequestSchema, {
        message: {
          case: "attemptRefused",
          value: { ref: message.ref, message: cut(message.message) },
        },
      });
    case "log_batch":
      return logBatchRequest(message.batch);
    case "attempt_finished": {
      const { ref, outcome, logBytes, processesLeft, usage } = message.report;
      return create(SessionRequestSchema, {
        message: {
          case: "attemptFinished",
          value: {
            ref,
            outcome: toProtoOutcome(outcome),
            logBytes: BigInt(logBytes),
            processesLeft,
            ...(usage !== null && { usage: toProtoUsage(usage) }),
          },
        },
      });
    }
  }
}

/** @throws PlatformError `invalid_argument` if the server sent none or a malformed one */
export function fromProtoRef(ref: ProtoRef | undefined): AttemptRef {
  if (ref === undefined) throw malformed("a message without the attempt it is about");
  return {
    jobId: parseJobId(ref.jobId),
    attempt: ref.attempt,
    leaseToken: ref.leaseToken as LeaseToken,
  };
}

/** @throws PlatformError `invalid_argument` */
export function fromProtoLogAck({ ref, offset }: ProtoLogAck): LogAck {
  return { ref: fromProtoRef(ref), offset: Number(offset) };
}

/**
 * What the worker acts on; the rest of the spec is the server's concern.
 * @throws PlatformError `invalid_argument` if there is no spec
 */
export function fromProtoSpec(
  spec: ProtoSpec | undefined,
  values: readonly ProtoSecretValue[],
): AttemptSpec {
  if (spec === undefined) throw malformed("an assignment without a spec");
  const { timeouts } = spec;
  return {
    work: fromProtoWork(spec.work),
    env: spec.env,
    workingDir: spec.workingDir,
    stdin: spec.stdin,
    files: spec.files,
    secrets: spec.secrets.map((secret) => fromProtoSecret(secret, values)),
    runMs: timeouts?.run === undefined ? null : durationMs(timeouts.run),
    graceMs: timeouts?.grace === undefined ? DEFAULT_GRACE_MS : durationMs(timeouts.grace),
    logPolicy: fromProtoLogPolicy(spec.logPolicy),
    keepBackground: spec.keepBackground,
    cpuMillis: spec.resources?.cpuMillis || DEFAULT_CPU_MILLIS,
    memoryBytes: Number(spec.resources?.memoryBytes ?? 0n),
    isolation: {
      privateHome: spec.isolation?.privateHome ?? false,
      sandbox: spec.isolation?.sandbox ?? false,
    },
    gpuCount: spec.resources?.gpuCount ?? 0,
  };
}

function fromProtoSecret(
  { name, form }: ProtoSecretRef,
  values: readonly ProtoSecretValue[],
): AttemptSecret {
  const value = values.find((candidate) => candidate.name === name)?.value ?? null;
  return { name, form: form === SecretForm.FILE ? "file" : "env", value };
}

function fromProtoLogPolicy(policy: ProtoSpec["logPolicy"]): LogPolicy {
  return {
    maxBytes: Number(policy?.maxBytes ?? 0n) || null,
    overflow: policy?.overflow === LogOverflow.BLOCK ? "block" : "drop",
  };
}

function fromProtoWork(work: ProtoSpec["work"]): AttemptSpec["work"] {
  switch (work.case) {
    case "command":
      return { kind: "command", argv: work.value.argv };
    case "script": {
      const { content, interpreter, args, withoutSafetyPreamble } = work.value;
      return { kind: "script", content, interpreter, args, withoutSafetyPreamble };
    }
    case "container":
      return { kind: "unsupported", what: "a container" };
    case undefined:
      return { kind: "unsupported", what: "a form of work that it does not know" };
  }
}

function logBatchRequest({ ref, offset, data, compression, segments }: LogBatch): SessionRequest {
  return create(SessionRequestSchema, {
    message: {
      case: "logBatch",
      value: {
        ref,
        offset: BigInt(offset),
        data,
        compression: LOG_COMPRESSIONS[compression],
        segments: segments.map(({ stream, lengthBytes, at, gap }) => ({
          stream: LOG_STREAMS[stream],
          length: lengthBytes,
          time: timestampFromDate(at),
          gap: gap === null ? LogGap.UNSPECIFIED : LOG_GAPS[gap],
        })),
      },
    },
  });
}

const LOG_STREAMS: Readonly<Record<LogStream, ProtoLogStream>> = {
  stdout: ProtoLogStream.STDOUT,
  stderr: ProtoLogStream.STDERR,
};

const LOG_GAPS: Readonly<Record<DomainLogGap, LogGap>> = {
  dropped: LogGap.DROPPED,
  limit: LogGap.LIMIT,
};

const LOG_COMPRESSIONS: Readonly<Record<DomainLogCompression, LogCompression>> = {
  none: LogCompression.UNSPECIFIED,
  zstd: LogCompression.ZSTD,
};

function toProtoOutcome({ reason, exitCode, signal, message }: Outcome) {
  return {
    reason: ExitReason[reason.toUpperCase() as Uppercase<Outcome["reason"]>],
    ...(exitCode !== null && { exitCode }),
    signal: signal ?? "",
    message: cut(message),
  };
}

function toProtoUsage({ cpuMs, peakMemoryBytes, readBytes, writtenBytes }: Usage) {
  return {
    cpuTime: durationFromMs(cpuMs),
    peakMemoryBytes: BigInt(peakMemoryBytes),
    readBytes: BigInt(readBytes),
    writtenBytes: BigInt(writtenBytes),
  };
}

function toProtoCapacity(capacity: Capacity) {
  const { memoryBytes, diskBytes } = capacity;
  return { ...capacity, memoryBytes: BigInt(memoryBytes), diskBytes: BigInt(diskBytes) };
}

/** Cuts between characters, never inside one. */
function cut(text: string): string {
  const bytes = new TextEncoder().encodeInto(text, new Uint8Array(MAX_MESSAGE_BYTES));
  return text.slice(0, bytes.read);
}

function malformed(what: string): PlatformError {
  return new PlatformError("invalid_argument", "malformed_message", `the server sent ${what}`);
}

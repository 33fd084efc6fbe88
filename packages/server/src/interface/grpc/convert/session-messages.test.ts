import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import type { JobId, LeaseToken, WorkerId, WorkerMessage } from "@hodei/domain";
import { ExitReason } from "@hodei/proto/hodei/v1/job";
import { LogStream } from "@hodei/proto/hodei/v1/log_service";
import { SessionRequestSchema } from "@hodei/proto/hodei/v1/worker_service";
import { aJobSpec, START } from "@hodei/testkit";
import {
  fromProtoHello,
  fromProtoWorkerMessage,
  toProtoServerMessage,
} from "./session-messages.ts";

const REF = {
  jobId: "00000000-0000-7000-8000-00000000000a" as JobId,
  attempt: 2,
  leaseToken: "00000000-0000-4000-8000-00000000000c" as LeaseToken,
};
const OTHERS = { gpuCount: 2, attemptCount: 3 };
const CAPACITY = { cpuMillis: 4_000, memoryBytes: 5, diskBytes: 6, ...OTHERS };
const PROTO_CAPACITY = { cpuMillis: 4_000, memoryBytes: 5n, diskBytes: 6n, ...OTHERS };

function request(message: MessageInitShape<typeof SessionRequestSchema>["message"] & object) {
  return create(SessionRequestSchema, { message });
}

function receive(
  message: MessageInitShape<typeof SessionRequestSchema>["message"] & object,
): WorkerMessage {
  return fromProtoWorkerMessage(request(message));
}

suite("what a worker says", () => {
  test("hello", () => {
    const facts = {
      version: "1",
      hostname: "h",
      arch: "x64",
      labels: { zone: "a" },
      taints: [{ key: "spot", value: "" }],
      gpuModel: "a100",
    };
    const value = { ...facts, capacity: PROTO_CAPACITY, attempts: [REF] };
    assert.deepEqual(fromProtoHello(request({ case: "hello", value })), {
      facts: { ...facts, capacity: CAPACITY },
      attempts: [REF],
    });
  });

  test("hello comes first and only then", () => {
    const heartbeat = request({ case: "heartbeat", value: {} });
    assert.throws(() => fromProtoHello(heartbeat), {
      code: "failed_precondition",
      reason: "hello_expected",
    });
    assert.throws(() => receive({ case: "hello", value: { capacity: PROTO_CAPACITY } }), {
      code: "failed_precondition",
      reason: "hello_repeated",
    });
  });

  test("heartbeat, with or without capacity", () => {
    const value = { capacity: PROTO_CAPACITY, runningAttempts: 3 };
    assert.deepEqual(receive({ case: "heartbeat", value }), {
      type: "heartbeat",
      capacity: CAPACITY,
      metrics: null,
    });
    assert.deepEqual(receive({ case: "heartbeat", value: {} }), {
      type: "heartbeat",
      capacity: null,
      metrics: null,
    });
  });

  test("attempt started, refused, finished; going away", () => {
    assert.deepEqual(receive({ case: "attemptStarted", value: { ref: REF } }), {
      type: "attempt_started",
      ref: REF,
    });
    assert.deepEqual(receive({ case: "attemptRefused", value: { ref: REF, message: "full" } }), {
      type: "attempt_refused",
      ref: REF,
      message: "full",
    });
    const outcome = { reason: ExitReason.NON_ZERO_EXIT, exitCode: 7 };
    assert.deepEqual(
      receive({
        case: "attemptFinished",
        value: {
          ref: REF,
          outcome,
          logBytes: 9n,
          processesLeft: 2,
          usage: { cpuTime: { seconds: 1n, nanos: 500_000_000 }, peakMemoryBytes: 4096n },
        },
      }),
      {
        type: "attempt_finished",
        report: {
          ref: REF,
          outcome: { reason: "non_zero_exit", exitCode: 7, signal: null, message: "" },
          logBytes: 9,
          processesLeft: 2,
          usage: { cpuMs: 1500, peakMemoryBytes: 4096, readBytes: 0, writtenBytes: 0 },
        },
      },
    );
    assert.deepEqual(receive({ case: "goingAway", value: {} }), { type: "going_away" });
  });

  test("a log batch", () => {
    const data = new Uint8Array([1, 2, 3]);
    const time = timestampFromDate(START);
    const segments = [
      { stream: LogStream.STDOUT, length: 1, time },
      { stream: LogStream.STDERR, length: 2, time },
    ];
    assert.deepEqual(
      receive({ case: "logBatch", value: { ref: REF, offset: 5n, data, segments } }),
      {
        type: "log_batch",
        batch: {
          ref: REF,
          offset: 5,
          data,
          compression: "none",
          segments: [
            { stream: "stdout", lengthBytes: 1, at: START, gap: null },
            { stream: "stderr", lengthBytes: 2, at: START, gap: null },
          ],
        },
      },
    );
  });

  test("a log batch whose segments do not add up is refused", () => {
    const time = timestampFromDate(START);
    const value = {
      ref: REF,
      data: new Uint8Array(3),
      segments: [{ stream: LogStream.STDOUT, length: 2, time }],
    };
    assert.throws(() => receive({ case: "logBatch", value }), {
      code: "invalid_argument",
      message: /2 bytes.*3/,
    });
  });

  test("what lacks its parts is refused", () => {
    const incomplete: Parameters<typeof receive>[0][] = [
      { case: "attemptStarted", value: {} },
      { case: "attemptRefused", value: {} },
      { case: "attemptFinished", value: { ref: REF } },
      { case: "attemptFinished", value: { outcome: { reason: ExitReason.COMPLETED } } },
      { case: "attemptFinished", value: { ref: REF, outcome: {} } },
      { case: "logBatch", value: { ref: REF, data: new Uint8Array(1), segments: [{ length: 1 }] } },
      { case: "logBatch", value: { ref: REF, offset: 2n ** 60n } },
    ];
    for (const message of incomplete) {
      assert.throws(() => receive(message), { code: "invalid_argument" });
    }
    assert.throws(() => fromProtoWorkerMessage(create(SessionRequestSchema)), {
      code: "invalid_argument",
    });
    assert.throws(() => fromProtoHello(request({ case: "hello", value: {} })), {
      code: "invalid_argument",
    });
  });
});

test("what a server says", () => {
  const said = [
    toProtoServerMessage({
      type: "welcome",
      workerId: "w" as WorkerId,
      heartbeatIntervalMs: 5_000,
      logAcks: [{ ref: REF, offset: 7 }],
    }),
    toProtoServerMessage({
      type: "assignment",
      ref: REF,
      spec: aJobSpec({ secrets: [{ name: "A", form: "file" }] }),
      secrets: [{ name: "A", value: new Uint8Array([1, 0, 255]) }],
    }),
    toProtoServerMessage({ type: "cancel_attempt", ref: REF }),
    toProtoServerMessage({ type: "abandon_attempt", ref: REF }),
    toProtoServerMessage({ type: "log_ack", ack: { ref: REF, offset: 7 } }),
    toProtoServerMessage({ type: "result_ack", ref: REF, accepted: true }),
    toProtoServerMessage({ type: "drain" }),
  ].map(({ message }) => message);
  assert.deepEqual(
    said.map((message) => message.case),
    ["welcome", "assignment", "cancelAttempt", "abandonAttempt", "logAck", "resultAck", "drain"],
  );
  const [welcome, assignment, , , logAck] = said;
  assert.ok(welcome?.case === "welcome" && assignment?.case === "assignment");
  assert.equal(welcome.value.heartbeatInterval?.seconds, 5n);
  assert.equal(welcome.value.logAcks[0]?.offset, 7n);
  assert.equal(welcome.value.logAcks[0]?.ref?.leaseToken, REF.leaseToken);
  assert.equal(assignment.value.spec?.name, "true");
  const [secret] = assignment.value.secrets;
  assert.deepEqual([secret?.name, secret?.value], ["A", new Uint8Array([1, 0, 255])]);
  assert.ok(logAck?.case === "logAck" && logAck.value.ref?.attempt === 2);
});

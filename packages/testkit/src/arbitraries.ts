import {
  type AttemptEvent,
  type Capacity,
  type Command,
  type Concurrency,
  type Constraint,
  type Dependency,
  EXIT_REASONS,
  type ExitReason,
  INTERPRETERS,
  type InputFile,
  type JobEvent,
  type JobId,
  type JobSpec,
  type Lease,
  type LeaseToken,
  type Outcome,
  PLACEMENT_POLICIES,
  type PlacementTerms,
  type RateLimit,
  type ReplicaId,
  type Requirements,
  type RetryPolicy,
  type Script,
  type SecretRef,
  type Usage,
  type WorkerEvent,
  type WorkerFacts,
  type WorkerId,
} from "@hodei/domain";
import fc, { type Arbitrary } from "fast-check";

/** Plain objects, as written in code, not such without a prototype. */
const record = <T>(model: { [K in keyof T]: Arbitrary<T[K]> }): Arbitrary<T> =>
  fc.record(model, { noNullPrototype: true });

/** Text as the contract lets it in: any characters but NUL, and no halves of characters. */
export const anyText = (maxLength = 20): Arbitrary<string> =>
  fc.string({ unit: "grapheme", maxLength }).map((text) => text.replaceAll("\0", ""));

/** Instants in whole milliseconds, as far as four-digit years go. */
export const anyDate = (): Arbitrary<Date> =>
  fc.date({ min: new Date("1970-01-01"), max: new Date("9999-01-01"), noInvalidDate: true });

const anyName = (): Arbitrary<string> => fc.stringMatching(/^[A-Za-z][A-Za-z0-9_]{0,15}$/);
const anyUuid = (): Arbitrary<string> => fc.uuid();
const anyBytes = (maxLength = 64): Arbitrary<Uint8Array> => fc.uint8Array({ maxLength });
const anyTextByName = (): Arbitrary<Record<string, string>> =>
  fc.dictionary(anyName(), anyText(), { maxKeys: 5, noNullPrototype: true });

export const anyExitReason = (): Arbitrary<ExitReason> =>
  fc.constantFrom(...(Object.keys(EXIT_REASONS) as ExitReason[]));

export const anyOutcome = (reasons: Arbitrary<ExitReason> = anyExitReason()): Arbitrary<Outcome> =>
  record({
    reason: reasons,
    exitCode: fc.option(fc.integer({ min: 0, max: 255 })),
    signal: fc.option(fc.constantFrom("SIGKILL", "SIGTERM", "SIGSEGV")),
    message: anyText(),
  });

const anyCommand = (): Arbitrary<Command> =>
  fc
    .tuple(
      anyText().filter((word) => word !== ""),
      fc.array(anyText(), { maxLength: 5 }),
    )
    .map(([program, args]) => ({ kind: "command", argv: [program, ...args] }));

const anyScript = (): Arbitrary<Script> =>
  record({
    kind: fc.constant("script" as const),
    content: anyText(200),
    interpreter: fc.constantFrom(...INTERPRETERS, "/opt/my shell"),
    args: fc.array(anyText(), { maxLength: 3 }),
    withoutSafetyPreamble: fc.boolean(),
  });

const anyFile = (): Arbitrary<InputFile> =>
  record({ path: anyName(), content: anyBytes(), executable: fc.boolean() });

/** Of names that no variable of `anyJobSpec` has. */
const anySecretRef = (): Arbitrary<SecretRef> =>
  record({
    name: fc.stringMatching(/^SECRET_OF_[A-Z]{4,20}$/),
    form: fc.constantFrom("env" as const, "file" as const),
  });

/** Constraints that `checkJobSpec` accepts. */
export const anyConstraint = (): Arbitrary<Constraint> =>
  fc.oneof(
    record({
      label: anyName(),
      operator: fc.constantFrom("eq" as const, "ne" as const),
      values: fc.tuple(anyText()),
    }),
    record({
      label: anyName(),
      operator: fc.constantFrom("gt" as const, "lt" as const),
      values: fc.tuple(fc.integer().map(String)),
    }),
    record({
      label: anyName(),
      operator: fc.constantFrom("in" as const, "not_in" as const),
      values: fc.array(anyText(), { minLength: 1, maxLength: 4 }),
    }),
    record({
      label: anyName(),
      operator: fc.constant("exists" as const),
      values: fc.constant([]),
    }),
  );

export const anyRequirements = (): Arbitrary<Requirements> =>
  record({
    cpuMillis: fc.integer({ min: 0, max: 16_000 }),
    memoryBytes: fc.integer({ min: 0, max: 2 ** 40 }),
    diskBytes: fc.integer({ min: 0, max: 2 ** 50 }),
    gpus: fc.constantFrom(
      { gpuCount: 0, gpuModel: null },
      { gpuCount: 2, gpuModel: null },
      { gpuCount: 1, gpuModel: "a100" },
    ),
    arch: fc.constantFrom(null, "x64", "arm64"),
    constraints: fc.array(anyConstraint(), { maxLength: 3 }),
    tolerations: fc.array(record({ key: anyName(), value: anyText() }), { maxLength: 2 }),
  }).map(({ gpus, ...rest }) => ({ ...rest, ...gpus }));

export const anyPlacementTerms = (): Arbitrary<PlacementTerms> =>
  record({
    preferences: fc.array(
      record({
        constraint: anyConstraint(),
        weight: fc.integer({ min: -100, max: 100 }).filter((weight) => weight !== 0),
      }),
      { maxLength: 3 },
    ),
    policy: fc.option(
      fc.constantFrom(...(Object.keys(PLACEMENT_POLICIES) as (keyof typeof PLACEMENT_POLICIES)[])),
    ),
  });

export const anyRetryPolicy = (): Arbitrary<RetryPolicy> =>
  record({
    maxAttempts: fc.integer({ min: 1, max: 100 }),
    delays: fc.tuple(fc.nat({ max: 86_400_000 }), fc.nat({ max: 86_400_000 })),
    reasons: fc.uniqueArray(anyExitReason(), { maxLength: 4 }),
  }).map(({ maxAttempts, delays, reasons }) => ({
    maxAttempts,
    baseDelayMs: Math.min(...delays),
    maxDelayMs: Math.max(...delays),
    reasons,
  }));

const anyConcurrency = (): Arbitrary<Concurrency> =>
  record({
    key: anyName(),
    limit: fc.integer({ min: 1, max: 10_000 }),
    onConflict: fc.constantFrom("queue", "cancel_in_progress", "drop_newest"),
  });

const anyRateLimit = (): Arbitrary<RateLimit> =>
  record({
    key: anyName(),
    count: fc.integer({ min: 1, max: 10_000 }),
    perMs: fc.integer({ min: 1, max: 86_400_000 }),
  });

const anyDependency = (): Arbitrary<Dependency> =>
  record({
    jobId: fc.uuid().map((id) => id as JobId),
    condition: fc.constantFrom("succeeded", "failed", "any"),
  });

const anyWait = () => fc.option(fc.integer({ min: 1, max: 31_536_000_000 }));

/** Specs that `checkJobSpec` accepts. */
export const anyJobSpec = (): Arbitrary<JobSpec> =>
  record({
    name: anyText(128).map((name) => name.replace(/\p{Cc}/gu, "")),
    work: fc.oneof(anyCommand(), anyScript()),
    env: anyTextByName().map(withoutReservedNames),
    workingDir: anyText(),
    stdin: anyBytes(),
    files: fc.array(anyFile(), { maxLength: 3 }),
    secrets: fc.uniqueArray(anySecretRef(), { maxLength: 3, selector: ({ name }) => name }),
    requirements: anyRequirements(),
    placement: anyPlacementTerms(),
    priority: fc.integer({ min: -100, max: 100 }),
    preemptible: fc.boolean(),
    labels: anyTextByName(),
    annotations: anyTextByName(),
    tags: record({ project: anyText(), team: anyText(), costCentre: anyText() }),
    timeouts: record({
      queueMs: anyWait(),
      runMs: anyWait(),
      graceMs: fc.nat({ max: 3_600_000 }),
    }),
    retryPolicy: anyRetryPolicy(),
    instants: anyStartAndEnd(),
    concurrency: fc.option(anyConcurrency()),
    rateLimit: fc.option(anyRateLimit()),
    after: fc.uniqueArray(anyDependency(), { maxLength: 3, selector: ({ jobId }) => jobId }),
    logPolicy: record({
      maxBytes: fc.integer({ min: 1, max: 2 ** 40 }),
      overflow: fc.constantFrom("drop", "block"),
    }),
    keepBackground: fc.boolean(),
    retentionMs: fc.option(fc.integer({ min: 1, max: 366 * 86_400_000 })),
    isolation: record({ privateHome: fc.boolean(), sandbox: fc.boolean() }),
  }).map(({ instants, ...rest }) => ({ ...rest, ...instants }));

/** Either may be absent; the deadline comes after. */
const anyStartAndEnd = (): Arbitrary<Pick<JobSpec, "notBefore" | "deadline">> =>
  fc
    .tuple(fc.option(anyDate()), fc.option(anyDate()))
    .map(([notBefore, deadline]) =>
      notBefore === null || deadline === null || notBefore < deadline
        ? { notBefore, deadline }
        : { notBefore: deadline, deadline: new Date(notBefore.getTime() + 1) },
    );

function withoutReservedNames(env: Record<string, string>): Record<string, string> {
  return Object.fromEntries(Object.entries(env).filter(([name]) => !name.startsWith("HODEI_")));
}

const anyLease = (): Arbitrary<Lease> =>
  record({
    token: anyUuid().map((token) => token as LeaseToken),
    workerId: anyUuid().map((id) => id as WorkerId),
    acknowledgeBy: anyDate(),
  });

/** Every kind of event a job can have, legal in its state or not. */
export const anyJobEvent = (): Arbitrary<JobEvent> =>
  fc.oneof(
    record({ type: fc.constant("created" as const), at: anyDate(), causedBy: fc.string() }),
    record({ type: fc.constant("started" as const), at: anyDate() }),
    record({ type: fc.constant("assigned" as const), at: anyDate(), lease: anyLease() }),
    record({ type: fc.constant("lease_expired" as const), at: anyDate(), message: anyText() }),
    record({ type: fc.constant("cancel_requested" as const), at: anyDate(), by: anyText() }),
    record({
      type: fc.constant("room_claimed" as const),
      at: anyDate(),
      workerId: anyUuid().map((id) => id as WorkerId),
      victimIds: fc.array(
        anyUuid().map((id) => id as JobId),
        { maxLength: 3 },
      ),
    }),
    record({
      type: fc.constant("preempt_requested" as const),
      at: anyDate(),
      byJobId: anyUuid().map((id) => id as JobId),
    }),
    record({ type: fc.constant("preempted" as const), at: anyDate(), outcome: anyOutcome() }),
    record({
      type: fc.constant("retry_scheduled" as const),
      at: anyDate(),
      runAt: anyDate(),
      outcome: anyOutcome(),
    }),
    record({
      type: fc.constant("retries_exhausted" as const),
      at: anyDate(),
      attempts: fc.integer({ min: 1, max: 100 }),
    }),
    ...(["succeeded", "failed", "cancelled", "timed_out"] as const).map((type) =>
      record({ type: fc.constant(type), at: anyDate(), outcome: anyOutcome() }),
    ),
  );

/** Every kind of event an attempt can have, legal in its state or not. */
const anyUsage = (): Arbitrary<Usage> =>
  record({
    cpuMs: fc.nat(),
    peakMemoryBytes: fc.nat(),
    readBytes: fc.nat(),
    writtenBytes: fc.nat(),
  });

export const anyAttemptEvent = (): Arbitrary<AttemptEvent> =>
  fc.oneof(
    record({ type: fc.constant("started" as const), at: anyDate() }),
    record({
      type: fc.constantFrom(
        "succeeded" as const,
        "failed" as const,
        "cancelled" as const,
        "timed_out" as const,
        "lost" as const,
      ),
      at: anyDate(),
      outcome: anyOutcome(),
      logBytes: fc.nat(),
      processesLeft: fc.nat({ max: 10 }),
      usage: fc.option(anyUsage()),
    }),
  );

const anyCapacity = (): Arbitrary<Capacity> =>
  record({
    cpuMillis: fc.integer({ min: 0, max: 64_000 }),
    memoryBytes: fc.integer({ min: 0, max: 2 ** 40 }),
    diskBytes: fc.integer({ min: 0, max: 2 ** 50 }),
    gpuCount: fc.integer({ min: 0, max: 8 }),
    attemptCount: fc.integer({ min: 1, max: 100 }),
  });

export const anyWorkerFacts = (): Arbitrary<WorkerFacts> =>
  record({
    version: anyText(),
    hostname: anyText(),
    arch: fc.constantFrom("x64", "arm64"),
    labels: anyTextByName(),
    taints: fc.array(record({ key: anyName(), value: anyText() }), { maxLength: 2 }),
    gpuModel: fc.constantFrom("", "a100"),
    capacity: anyCapacity(),
  });

/** Every kind of event a worker can have, legal in its state or not. */
export const anyWorkerEvent = (): Arbitrary<WorkerEvent> =>
  fc.oneof(
    record({ type: fc.constant("created" as const), at: anyDate(), causedBy: fc.string() }),
    record({ type: fc.constant("registered" as const), at: anyDate() }),
    record({
      type: fc.constant("connected" as const),
      at: anyDate(),
      replicaId: anyUuid().map((id) => id as ReplicaId),
      facts: anyWorkerFacts(),
    }),
    record({
      type: fc.constant("disconnected" as const),
      at: anyDate(),
      connectBy: anyDate(),
      message: anyText(),
    }),
    record({
      type: fc.constant("capacity_changed" as const),
      at: anyDate(),
      capacity: anyWorkerFacts().map(({ capacity }) => capacity),
    }),
    record({ type: fc.constant("drain_requested" as const), at: anyDate(), by: anyText() }),
    record({
      type: fc.constantFrom("lost" as const, "terminated" as const),
      at: anyDate(),
      message: anyText(),
    }),
  );

import assert from "node:assert/strict";
import { suite, test } from "node:test";
import {
  create,
  type DescMessage,
  getOption,
  type MessageInitShape,
  toJson,
} from "@bufbuild/protobuf";
import { Code, ConnectError, createClient, createRouterTransport } from "@connectrpc/connect";
import { FieldRulesSchema, field as fieldRules } from "@hodei/proto/buf/validate";
import { EventService } from "@hodei/proto/hodei/v1/event_service";
import { ConstraintOperator, JobSpecSchema } from "@hodei/proto/hodei/v1/job";
import { JobService } from "@hodei/proto/hodei/v1/job_service";
import { LogService } from "@hodei/proto/hodei/v1/log_service";
import { SecretService } from "@hodei/proto/hodei/v1/secret_service";
import { WorkerAdminService } from "@hodei/proto/hodei/v1/worker_admin_service";
import { type SessionRequestSchema, WorkerService } from "@hodei/proto/hodei/v1/worker_service";
import { SequenceIds } from "@hodei/testkit";
import { recordLog } from "./listener-fixtures.test.ts";
import { translateErrors } from "./translate-errors.ts";
import { PATTERN_MEANINGS, validateRequests } from "./validate.ts";

const interceptors = [
  translateErrors({ log: recordLog(), ids: new SequenceIds() }),
  validateRequests(),
];
const transport = createRouterTransport(
  (router) => {
    router.service(JobService, {
      createJob: () => ({}),
      listJobs: () => ({}),
      retryJob: () => ({}),
    });
    router.service(EventService, { listEvents: () => ({}), discardDeadLetters: () => ({}) });
    router.service(SecretService, { deleteSecret: () => ({}) });
    router.service(WorkerService, {
      async *session(requests) {
        for await (const _ of requests) yield {};
      },
    });
  },
  { router: { interceptors } },
);
const jobs = createClient(JobService, transport);
const workers = createClient(WorkerService, transport);
const events = createClient(EventService, transport);
const secrets = createClient(SecretService, transport);

type SpecInit = MessageInitShape<typeof JobSpecSchema>;

const COMMAND = { case: "command" as const, value: { argv: ["true"] } };

async function messageOf(call: Promise<unknown>): Promise<string> {
  try {
    await call;
  } catch (error) {
    const { code, rawMessage, metadata } = ConnectError.from(error);
    assert.equal(code, Code.InvalidArgument, rawMessage);
    assert.equal(metadata.get("hodei-reason"), "invalid_request");
    return rawMessage;
  }
  throw new Error("the request was valid");
}

const createJob = (spec: SpecInit) =>
  jobs.createJob({ spec: create(JobSpecSchema, { work: COMMAND, ...spec }) });

suite("validate requests", () => {
  test("a valid request passes", async () => {
    await createJob({
      name: "build",
      env: { PATH: "/bin" },
      labels: { "team/a": "x" },
      timeouts: { run: { seconds: 60n } },
      constraints: [{ label: "gpu", operator: ConstraintOperator.EXISTS }],
    });
  });

  test("each bad input is refused with its field", async () => {
    const nul = { case: "command" as const, value: { argv: ["a\0b"] } };
    const bad: [SpecInit, RegExp][] = [
      [{ work: { case: undefined } }, /^spec\.work: /],
      [{ work: { case: "command", value: {} } }, /^spec\.command\.argv: /],
      [{ work: nul }, /^spec\.command\.argv\[0\]: must not contain NUL characters$/],
      [{ name: "a\nb" }, /^spec\.name: must not contain control characters$/],
      [{ env: { "1A": "" } }, /^spec\.env\["1A"\]: must be letters, digits and _/],
      [{ env: { A: "\0" } }, /^spec\.env\["A"\]: must not contain NUL/],
      [{ labels: { "-a": "" } }, /^spec\.labels\["-a"\]: must be letters, digits and \. _ \/ -/],
      [{ timeouts: { run: { seconds: -1n } } }, /^spec\.timeouts\.run: /],
      [{ timeouts: { queue: { seconds: 10n ** 11n } } }, /^spec\.timeouts\.queue: /],
      [{ priority: 101 }, /^spec\.priority: /],
      [{ resources: { arch: "vax" } }, /^spec\.resources\.arch: /],
      [{ retryPolicy: { maxAttempts: 101 } }, /^spec\.retry_policy\.max_attempts: /],
      [{ constraints: [{ label: "a" }] }, /^spec\.constraints\[0\]\.operator: /],
    ];
    for (const [spec, expected] of bad) assert.match(await messageOf(createJob(spec)), expected);
    assert.match(await messageOf(jobs.createJob({})), /^spec: /);
    assert.match(await messageOf(jobs.listJobs({ pageSize: 1001 })), /^page_size: /);
  });

  test("NUL, which the database does not take, is refused wherever a text reaches it", async () => {
    const operator = ConstraintOperator.EQ;
    const jobId = "0198c7a4-6a52-7c3e-9d0b-3f6f5b1f2a10";
    const calls = [
      createJob({ constraints: [{ label: "a\0", operator, values: ["b"] }] }),
      createJob({ constraints: [{ label: "a", operator, values: ["b\0"] }] }),
      createJob({ tolerations: [{ key: "a\0" }] }),
      createJob({ tolerations: [{ key: "a", value: "\0" }] }),
      createJob({ tags: { project: "\0" } }),
      createJob({ tags: { team: "\0" } }),
      createJob({ tags: { costCentre: "\0" } }),
      createJob({ resources: { gpuCount: 1, gpuModel: "\0" } }),
      jobs.listJobs({ filter: { nameContains: "\0" } }),
      jobs.listJobs({ filter: { labels: { "a\0": "" } } }),
      jobs.listJobs({ filter: { labels: { a: "\0" } } }),
      jobs.retryJob({ jobId, idempotencyKey: "\0" }),
      events.listEvents({ filter: { subjectId: "\0" } }),
      events.listEvents({ filter: { types: ["\0"] } }),
      events.discardDeadLetters({ choice: { keys: [{ subscription: "\0", cursor: "1" }] } }),
      events.discardDeadLetters({ choice: { keys: [{ subscription: "a", cursor: "\0" }] } }),
      secrets.deleteSecret({ name: "\0" }),
    ];
    for (const call of calls) assert.match(await messageOf(call), /must not contain NUL/);
  });

  test("10,000 environment variables are one short refusal", async () => {
    const names = Array.from({ length: 10_000 }, (_, index) => [`V${index}`, ""]);
    const message = await messageOf(createJob({ env: Object.fromEntries(names) }));
    assert.match(message, /^spec\.env: .*1000/);
    assert.ok(message.length < 200);
  });

  test("many violations are named in part and counted", async () => {
    const argv = Array.from({ length: 4_000 }, () => "\0");
    const message = await messageOf(createJob({ work: { case: "command", value: { argv } } }));
    assert.match(message, /argv\[9\].*; and 3990 more$/);
    const env = { [`0${"x".repeat(100_000)}`]: "" };
    assert.ok((await messageOf(createJob({ env }))).length < 1_000);
  });

  test("each message of a stream is checked", async () => {
    const hello: MessageInitShape<typeof SessionRequestSchema> = {
      message: { case: "hello", value: { capacity: {} } },
    };
    const requests = async function* () {
      yield hello;
      yield { message: { case: "attemptStarted" as const, value: {} } };
    };
    const responses = workers.session(requests())[Symbol.asyncIterator]();
    await responses.next();
    assert.match(await messageOf(responses.next()), /^attempt_started\.ref: /);
  });

  test("every pattern of the contract is explained to people", () => {
    const services = [JobService, LogService, EventService, WorkerAdminService, WorkerService];
    const inputs = services.flatMap(({ methods }) => methods.map(({ input }) => input));
    const patterns = new Set(inputs.flatMap((input) => patternsOf(input, new Set())));
    assert.deepEqual([...patterns].sort(), [...PATTERN_MEANINGS.keys()].sort());
  });
});

/** Patterns in the rules of the fields of `message`, and of the messages in it. */
function patternsOf(message: DescMessage, seen: Set<DescMessage>): string[] {
  if (seen.has(message)) return [];
  seen.add(message);
  return message.fields.flatMap((field) => [
    ...patternsIn(toJson(FieldRulesSchema, getOption(field, fieldRules))),
    ...(field.message === undefined ? [] : patternsOf(field.message, seen)),
  ]);
}

function patternsIn(rules: unknown): string[] {
  if (typeof rules !== "object" || rules === null) return [];
  return Object.entries(rules).flatMap(([key, value]) =>
    key === "pattern" ? [String(value)] : patternsIn(value),
  );
}

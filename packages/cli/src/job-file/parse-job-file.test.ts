import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { ConstraintOperator, ExitReason, SecretForm } from "@hodei/proto/hodei/v1/job";
import { enumWords } from "../output/enum-word.ts";
import { parseJobFile } from "./parse-job-file.ts";
import { jobFileJsonSchema } from "./schema.ts";

/** The one job of a file. */
function parse(text: string) {
  const [job, ...others] = parseJobFile(text, "job.yaml");
  assert.ok(job);
  assert.equal(others.length, 0);
  return job;
}

function mistakesOf(text: string): string[] {
  try {
    parseJobFile(text, "job.yaml");
  } catch (error) {
    assert.ok(error instanceof Error);
    assert.equal(error.name, "CommandError", error.stack);
    return error.message.split("\n");
  }
  return assert.fail("no mistake was found");
}

test("every field reaches the spec", () => {
  const { spec, idempotencyKey } = parse(`
idempotencyKey: k
name: all
script:
  content: |
    make
  interpreter: sh
  args: [-x, ""]
  withoutSafetyPreamble: true
env: { A: "1" }
workingDir: sub
stdin: ü
files:
  - { path: a.txt, content: hello, executable: true }
  - { path: b.bin, contentBase64: AP8= }
secrets: [{ name: token }, { name: key, form: file }]
resources: { cpuMillis: 500, memoryBytes: 512MiB, diskBytes: 1024, gpuCount: 1, gpuModel: m, arch: x64 }
constraints: [{ label: zone, operator: not_in, values: [a, b] }]
preferences: [{ constraint: { label: ssd, operator: exists }, weight: 5 }]
priority: -3
labels: { a: b }
annotations: { c: d }
tags: { project: p, team: t, costCentre: c }
timeouts: { queue: 1m, run: 1m30s, grace: 500ms }
retryPolicy: { maxAttempts: 3, baseDelay: 1s, maxDelay: 1m, reasons: [worker_lost, non_zero_exit] }
concurrency: { key: deploy, limit: 1 }
notBefore: 2026-01-31T08:00:00Z
deadline: 2026-01-31T10:00:00+01:00
budget: { currency: EUR, maxMicros: 1000 }
retention: { logs: 2d, job: 30d }
keepBackground: true
isolation: { privateHome: true, sandbox: true }
logPolicy: { maxBytes: 1MiB, overflow: block }
`);
  assert.equal(idempotencyKey, "k");
  assert.deepEqual(spec.work, {
    case: "script",
    value: { content: "make\n", interpreter: "sh", args: ["-x", ""], withoutSafetyPreamble: true },
  });
  assert.deepEqual(spec.stdin, new TextEncoder().encode("ü"));
  assert.deepEqual(spec.files, [
    { path: "a.txt", content: new TextEncoder().encode("hello"), executable: true },
    { path: "b.bin", content: Uint8Array.of(0, 255) },
  ]);
  assert.deepEqual(spec.secrets, [{ name: "token" }, { name: "key", form: SecretForm.FILE }]);
  assert.equal(spec.resources?.memoryBytes, 536_870_912n);
  assert.equal(spec.resources?.diskBytes, 1024n);
  assert.equal(spec.constraints?.[0]?.operator, ConstraintOperator.NOT_IN);
  assert.equal(spec.timeouts?.run?.seconds, 90n);
  assert.deepEqual(spec.retryPolicy?.reasons, [ExitReason.WORKER_LOST, ExitReason.NON_ZERO_EXIT]);
  assert.equal(spec.notBefore?.seconds, 1_769_846_400n);
  assert.equal(spec.deadline?.seconds, 1_769_850_000n);
  assert.equal(spec.budget?.maxMicros, 1000n);
  assert.equal(spec.keepBackground, true);
  assert.equal(spec.isolation?.privateHome, true);
  assert.equal(spec.isolation?.sandbox, true);
  assert.equal(spec.logPolicy?.maxBytes, 1_048_576n);
  assert.ok(!("idempotencyKey" in spec) && !("script" in spec));
});

test("short forms, JSON, several documents and merged mappings", () => {
  assert.deepEqual(parse("command: [ls, -l]").spec.work, {
    case: "command",
    value: { argv: ["ls", "-l"] },
  });
  assert.deepEqual(parse('{"script": "make"}').spec.work, {
    case: "script",
    value: { content: "make" },
  });
  assert.deepEqual(parse("container: { image: alpine }").spec.work, {
    case: "container",
    value: { image: "alpine" },
  });
  const jobs = parseJobFile("---\nscript: a\n---\nscript: b\n---\n", "job.yaml");
  assert.deepEqual(
    jobs.map(({ spec }) => spec.work?.value),
    [{ content: "a" }, { content: "b" }],
  );
  const merged = parse("script: a\ntimeouts: &t { run: 1m }\nretention: { job: 1d }\n");
  assert.equal(merged.spec.timeouts?.run?.seconds, 60n);
});

const reasons = enumWords(ExitReason).join(", ");

// biome-ignore format: the file and its mistakes read better side by side
const MISTAKEN: readonly (readonly [text: string, mistakes: readonly string[]])[] = [
  ["script: a\nretrys: 3\n", ['job.yaml:2:1: unknown field "retrys"']],
  ["script: a\nretryPolcy:\n  maxAttempts: 3\n", ['job.yaml:2:1: unknown field "retryPolcy" (did you mean "retryPolicy"?)']],
  ["script: a\ntimeouts:\n  run: 1m\n  qeue: 1m\n", ['job.yaml:4:3: unknown field "qeue" (did you mean "queue"?)']],
  ["script:\n  content: a\n  intepreter: sh\n", ['job.yaml:3:3: unknown field "intepreter" (did you mean "interpreter"?)']],
  ["script: a\npreferences:\n  - weight: 1\n    constraint: { label: a, operatr: eq }\n", [
    "job.yaml:4:17: operator: is missing",
    'job.yaml:4:29: unknown field "operatr" (did you mean "operator"?)',
  ]],
  ["script: a\nenv:\n  PORT: 8080\n  DEBUG: true\n", [
    "job.yaml:3:9: PORT: expected text, not number 8080; put it in quotes",
    "job.yaml:4:10: DEBUG: expected text, not boolean true; put it in quotes",
  ]],
  ["script: a\ntimeouts: { run: 5 }\n", ["job.yaml:2:18: run: expected text, not number 5; put it in quotes"]],
  ["script: a\ntimeouts: { run: soon }\n", ['job.yaml:2:18: run: "soon" is not a duration such as 500ms, 30s, 1m30s or 2h']],
  ["script: a\nresources: { memoryBytes: lots }\n", ['job.yaml:2:27: memoryBytes: "lots" is not a size such as 512MiB, 1.5GB or 1048576']],
  ["script: a\nresources: { memoryBytes: [1] }\n", ["job.yaml:2:27: memoryBytes: this is of none of the forms that it may have"]],
  ["script: a\nnotBefore: tomorrow\n", ['job.yaml:2:12: notBefore: "tomorrow" is not an instant such as 2026-01-31T08:00:00Z (with its UTC offset)']],
  ["script: a\npriority: 101\n", ["job.yaml:2:11: priority: must be at most 100"]],
  ["script: a\npriority: 1.5\n", ["job.yaml:2:11: priority: expected a whole number, not number 1.5"]],
  ["script: a\nretryPolicy: { reasons: [worker_list] }\n", [`job.yaml:2:26: expected one of ${reasons} (did you mean "worker_lost"?)`]],
  ["name: a\n", ["job.yaml:1:1: there is nothing to run: give command, script or container"]],
  ["script: a\ncommand: [b]\n", ["job.yaml:1:9: give only one of command, script and container"]],
  ["script: a\nstdin: a\nstdinBase64: YQ==\n", ["job.yaml:3:14: give only one of stdin and stdinBase64"]],
  ["script: a\nfiles:\n  - path: x\n    contentBase64: '*'\n", ["job.yaml:4:20: this is not base64"]],
  ["script: a\nfiles:\n  - content: x\n", ["job.yaml:3:5: path: is missing"]],
  ["script: a\nname:\n", ["job.yaml:2:6: name: expected text, not nothing"]],
  ["[1]\n", ["job.yaml:1:1: expected fields, not a list"]],
  ["script: a\nscript: b\n", ["job.yaml:2:1: Map keys must be unique"]],
  ["script: [a\n", ["job.yaml:2:1: Flow sequence in block collection must be sufficiently indented and end with a ]"]],
  ["script: a\n---\nscritp: b\n", [
    'job.yaml:3:1: unknown field "scritp" (did you mean "script"?)',
  ]],
  ["", ["job.yaml holds no job"]],
  ["# nothing\n", ["job.yaml holds no job"]],
];

test("mistakes are named with line and column", () => {
  for (const [text, expected] of MISTAKEN) {
    const found = mistakesOf(text);
    assert.deepEqual(found, expected, text);
  }
});

test("the published JSON Schema is current", () => {
  const file = new URL("../../../../docs/job.schema.json", import.meta.url);
  assert.deepEqual(
    JSON.parse(readFileSync(file, "utf8")),
    JSON.parse(JSON.stringify(jobFileJsonSchema())),
    "run: hodei submit --schema > docs/job.schema.json",
  );
});

test("an alias that cannot be unfolded is a mistake of the file", () => {
  assert.deepEqual(mistakesOf("name: a\ncommand: [ls, *.txt]\n"), [
    "job.yaml:2:15: Unresolved alias (the anchor must be set before the alias): .txt; put text that begins with * in quotes",
  ]);
  const bomb = ["a: &a [x, x, x, x, x, x, x, x, x]"];
  for (const [name, before] of ["ba", "cb", "dc"]) {
    bomb.push(`${name}: &${name} [${Array(9).fill(`*${before}`).join(", ")}]`);
  }
  assert.match(mistakesOf(bomb.join("\n"))[0] ?? "", /^job\.yaml:1:1: Excessive alias count/);
});

test("a day that its month does not have is no instant", () => {
  assert.match(
    mistakesOf("command: [x]\ndeadline: 2027-02-31T00:00:00Z\n")[0] ?? "",
    /^job\.yaml:2:11: .*is not an instant/,
  );
  parse("command: [x]\ndeadline: 2028-02-29T23:30:00-05:00\n");
});

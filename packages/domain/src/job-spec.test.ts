import assert from "node:assert/strict";
import { test } from "node:test";
import { after, aJobSpec, anyJobSpec } from "@hodei/testkit";
import fc from "fast-check";
import { isPlatformError } from "./errors.ts";
import {
  type Command,
  type Constraint,
  checkJobSpec,
  createJobSpec,
  INTERPRETERS,
  type JobSpec,
  type Script,
} from "./job-spec.ts";

const SCRIPT: Script = {
  kind: "script",
  content: "true",
  interpreter: "bash",
  args: [],
  withoutSafetyPreamble: false,
};

/** What is wrong with the spec; empty if nothing is. */
function violations(parts: Partial<JobSpec>): string {
  try {
    checkJobSpec(aJobSpec(parts));
    return "";
  } catch (error) {
    assert.ok(isPlatformError(error, "invalid_argument"));
    assert.equal(error.reason, "invalid_spec");
    return error.message;
  }
}

test("every spec that a client may send is accepted", () => {
  fc.assert(
    fc.property(anyJobSpec(), (spec) => {
      checkJobSpec(spec);
    }),
  );
});

test("a command needs a program; its arguments may be empty", () => {
  const command = (...argv: string[]): Command => ({ kind: "command", argv });
  assert.match(violations({ work: command() }), /command\.argv/);
  assert.match(violations({ work: command("") }), /command\.argv/);
  assert.equal(violations({ work: command("printf", "") }), "");
});

test("an interpreter is one we know, or a full path", () => {
  for (const interpreter of [...INTERPRETERS, "/usr/bin/env"]) {
    assert.equal(violations({ work: { ...SCRIPT, interpreter } }), "");
  }
  for (const interpreter of ["", "fish", "./bash", "bash -c"]) {
    const message = violations({ work: { ...SCRIPT, interpreter } });
    assert.match(message, /script\.interpreter: .* use bash, sh,/);
  }
});

test("names of our own are not for jobs", () => {
  assert.match(violations({ env: { HODEI_JOB_ID: "x" } }), /env\.HODEI_JOB_ID/);
  assert.equal(violations({ env: { HODEI: "x", PATH: "/bin" } }), "");
});

test("files stay inside the attempt's directory", () => {
  const file = (path: string) => ({ path, content: new Uint8Array(), executable: false });
  for (const path of ["/etc/passwd", "..", "../x", "a/../../x", "a/", ""]) {
    assert.match(violations({ files: [file(path)] }), /^files: /, path);
  }
  for (const path of ["a", "a/b.txt", "..a", "a..b/c", ".hidden"]) {
    assert.equal(violations({ files: [file(path)] }), "", path);
  }
});

test("an operator takes as many values as it needs", () => {
  const check = (operator: Constraint["operator"], ...values: string[]) => {
    const { requirements } = aJobSpec();
    const constraints = [{ label: "zone", operator, values }];
    return violations({ requirements: { ...requirements, constraints } });
  };
  assert.match(check("exists", "x"), /zone exists takes no value/);
  assert.match(check("in"), /zone in needs at least one/);
  assert.match(check("not_in"), /at least one/);
  assert.match(check("eq"), /exactly one/);
  assert.match(check("ne", "a", "b"), /exactly one/);
  for (const values of [[], ["x"], [""], ["1", "2"], ["Infinity"]]) {
    assert.match(check("gt", ...values), /zone gt needs one number/);
  }
  assert.equal(check("lt", "-1.5e3"), "");
});

test("a preference is a constraint with a weight", () => {
  const check = (weight: number, ...values: string[]) => {
    const constraint = { label: "zone", operator: "eq", values } as const;
    return violations({ placement: { preferences: [{ constraint, weight }], policy: null } });
  };
  assert.equal(check(-5, "a"), "");
  assert.match(check(0, "a"), /weight of 0 says nothing/);
  assert.match(check(5), /^preferences: zone eq needs exactly one value/);
});

test("a model of GPUs needs their count, and a deadline comes after the start", () => {
  const { requirements } = aJobSpec();
  const gpus = (gpuCount: number) => ({ ...requirements, gpuCount, gpuModel: "a100" });
  assert.match(violations({ requirements: gpus(0) }), /gpu_model: needs gpu_count/);
  assert.equal(violations({ requirements: gpus(1) }), "");
  assert.match(violations({ notBefore: after(1), deadline: after(1) }), /after not_before/);
  assert.equal(violations({ notBefore: after(1), deadline: after(2) }), "");
});

test("a first delay above the largest is refused", () => {
  const { retryPolicy } = aJobSpec();
  const delays = { baseDelayMs: 2, maxDelayMs: 1 };
  assert.match(violations({ retryPolicy: { ...retryPolicy, ...delays } }), /base_delay/);
});

test("all that is wrong is said at once", () => {
  const message = violations({
    work: { kind: "command", argv: [] },
    env: { HODEI_A: "", HODEI_B: "" },
  });
  assert.equal(message.split("; ").length >= 3, true);
  assert.match(message, /argv.*HODEI_A.*HODEI_B/);
});

test("a job without a name is called after its program", () => {
  const nameOf = (...argv: string[]) => createJobSpec({ kind: "command", argv }).name;
  assert.equal(nameOf("/usr/bin/make", "all"), "make");
  assert.equal(nameOf("a\nb"), "ab");
  assert.equal(nameOf("x".repeat(500)).length, 128);
  assert.equal(createJobSpec(SCRIPT).name, "bash");
});

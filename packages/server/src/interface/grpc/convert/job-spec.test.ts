import assert from "node:assert/strict";
import { suite, test } from "node:test";
import {
  create,
  type DescField,
  type DescMessage,
  fromBinary,
  fromJson,
  type JsonObject,
  type JsonValue,
  type MessageInitShape,
  ScalarType,
  toBinary,
  toJson,
} from "@bufbuild/protobuf";
import { createJobSpec, type JobSpec, MAX_SPEC_BYTES, type PlatformError } from "@hodei/domain";
import { JobSpecSchema } from "@hodei/proto/hodei/v1/job";
import { anyJobSpec } from "@hodei/testkit";
import fc from "fast-check";
import { fromProtoSpec, toProtoSpec } from "./job-spec.ts";
import { UNSUPPORTED_FIELDS } from "./unsupported-fields.ts";

const COMMAND = { case: "command" as const, value: { argv: ["true"] } };

function parse(init: MessageInitShape<typeof JobSpecSchema>): JobSpec {
  return fromProtoSpec(create(JobSpecSchema, { work: COMMAND, ...init }));
}

/** A spec that can come from a request: where the contract knows no zero, its default has taken the place. */
const anyRequestedSpec = () =>
  anyJobSpec().map((spec) =>
    structuredClone({
      ...spec,
      name: spec.name === "" ? "named" : spec.name,
      requirements: {
        ...spec.requirements,
        cpuMillis: Math.max(1, spec.requirements.cpuMillis),
      },
    }),
  );

suite("job spec", () => {
  test("goes over the wire and back unchanged", () => {
    fc.assert(
      fc.property(anyRequestedSpec(), (spec) => {
        const bytes = toBinary(JobSpecSchema, toProtoSpec(spec));
        assert.deepEqual(fromProtoSpec(fromBinary(JobSpecSchema, bytes)), spec);
      }),
    );
  });

  test("gets the domain's defaults for what is not set", () => {
    assert.deepEqual(parse({}), createJobSpec({ kind: "command", argv: ["true"] }));
    const { work, name } = parse({ work: { case: "script", value: { content: "echo" } } });
    assert.equal(name, "bash");
    assert.deepEqual(work, {
      kind: "script",
      content: "echo",
      interpreter: "bash",
      args: [],
      withoutSafetyPreamble: false,
    });
    const { requirements, timeouts, retryPolicy } = parse({
      resources: {},
      timeouts: {},
      retryPolicy: {},
      tags: {},
    });
    assert.deepEqual({ requirements, timeouts, retryPolicy }, partsOfDefault());
  });

  test("a grace of zero is kept", () => {
    assert.equal(parse({ timeouts: { grace: {} } }).timeouts.graceMs, 0);
  });

  test("without work or absent is refused", () => {
    const refused = { code: "invalid_argument", reason: "invalid_spec" };
    assert.throws(() => fromProtoSpec(undefined), refused);
    assert.throws(() => fromProtoSpec(create(JobSpecSchema)), refused);
  });

  test("above the size limit is refused with both sizes", () => {
    const overhead = toBinary(JobSpecSchema, create(JobSpecSchema, { work: COMMAND })).byteLength;
    const stdin = (length: number) => new Uint8Array(length);
    // Tag and length of the field take four bytes.
    assert.equal(parse({ stdin: stdin(MAX_SPEC_BYTES - overhead - 4) }).env.A, undefined);
    assert.throws(() => parse({ stdin: stdin(MAX_SPEC_BYTES - overhead - 3) }), {
      code: "invalid_argument",
      reason: "spec_too_large",
      message: /1048577 bytes.*1048576/,
    });
  });

  test("a number beyond exactness is refused", () => {
    assert.throws(() => parse({ resources: { memoryBytes: 2n ** 53n } }), {
      code: "invalid_argument",
      message: /^spec\.resources\.memory_bytes/,
    });
  });
});

suite("unsupported fields", () => {
  test("every entry of the table is refused by its name, alone", () => {
    for (const { field } of UNSUPPORTED_FIELDS) {
      const sample = samples(JobSpecSchema).find(({ path }) => path.startsWith(field));
      assert.ok(sample, `the contract has no field ${field}`);
      const error = failureOf(sample.json);
      assert.equal(error?.code, "unimplemented");
      assert.equal(error?.reason, "unsupported_field");
      assert.match(error?.message ?? "", new RegExp(`cannot act on spec\\.${field} yet`));
    }
  });

  test("no field of the contract is ignored: each is refused, or comes back from the domain", () => {
    for (const { path, json } of samples(JobSpecSchema)) {
      const error = failureOf(json);
      if (error !== undefined) {
        assert.equal(error.code, "unimplemented", `${path}: ${error.message}`);
        continue;
      }
      const kept = toJson(JobSpecSchema, toProtoSpec(fromProtoSpec(parseJson(json))));
      assert.partialDeepStrictEqual(kept, json, `${path} was lost`);
    }
  });

  test("several are named together", () => {
    assert.throws(() => parse({ budget: {}, retention: { logs: { seconds: 1n } } }), {
      message: /spec\.budget, spec\.retention\.logs/,
    });
  });

  test("a field of a newer contract is refused by its number, at any depth", () => {
    const field = { no: 999, wireType: 0, data: new Uint8Array([1]) };
    const spec = create(JobSpecSchema, { work: COMMAND, resources: {}, files: [{}] });
    for (const message of [spec, spec.resources, spec.files[0], spec.work.value]) {
      assert.ok(message);
      message.$unknown = [field];
      assert.throws(() => fromProtoSpec(spec), {
        code: "unimplemented",
        message: new RegExp(`field 999 of ${message.$typeName}`),
      });
      delete message.$unknown;
    }
  });
});

function partsOfDefault(): Pick<JobSpec, "requirements" | "timeouts" | "retryPolicy"> {
  const { requirements, timeouts, retryPolicy } = createJobSpec({ kind: "command", argv: ["x"] });
  return { requirements, timeouts, retryPolicy };
}

function parseJson(json: JsonObject): ReturnType<typeof create<typeof JobSpecSchema>> {
  const work = "script" in json || "container" in json ? {} : { command: { argv: ["true"] } };
  return fromJson(JobSpecSchema, { ...work, ...json });
}

function failureOf(json: JsonObject): PlatformError | undefined {
  try {
    fromProtoSpec(parseJson(json));
    return undefined;
  } catch (error) {
    return error as PlatformError;
  }
}

/** For each field of `message`, down to the leaves: JSON that sets this field and no other. */
function samples(message: DescMessage, prefix = ""): { path: string; json: JsonObject }[] {
  return message.fields.flatMap((field) => {
    const path = `${prefix}${field.name}`;
    const set = (value: JsonValue) => ({ [field.jsonName]: value });
    const inner = field.message;
    if (field.fieldKind === "map") return [{ path, json: set({ key: leaf(field) }) }];
    if (inner === undefined || inner.typeName.startsWith("google.protobuf.")) {
      return [{ path, json: set(field.fieldKind === "list" ? [leaf(field)] : leaf(field)) }];
    }
    return samples(inner, `${path}.`).map((sample) => ({
      path: sample.path,
      json: set(
        field.fieldKind === "list"
          ? [completed(field, sample.json)]
          : completed(field, sample.json),
      ),
    }));
  });
}

/** A constraint has no meaning without its operator, nor a preference without its constraint. */
function completed(field: DescField, json: JsonObject): JsonObject {
  switch (field.message?.name) {
    case "Constraint":
      return { operator: "CONSTRAINT_OPERATOR_EQ", ...json };
    case "Preference":
      return { constraint: { operator: "CONSTRAINT_OPERATOR_EQ" }, ...json };
    default:
      return json;
  }
}

/** Any value that is not the field's default. */
function leaf(field: DescField): JsonValue {
  if (field.message?.name === "Duration") return "7s";
  if (field.message?.name === "Timestamp") return "2026-01-01T00:00:00Z";
  if (field.enum !== undefined) return field.enum.values.at(1)?.name ?? "";
  switch (field.scalar) {
    case ScalarType.BOOL:
      return true;
    case ScalarType.BYTES:
      return "aGk=";
    case ScalarType.UINT64:
      return "7";
    case ScalarType.INT32:
    case ScalarType.UINT32:
      return 7;
    default:
      return "seven";
  }
}

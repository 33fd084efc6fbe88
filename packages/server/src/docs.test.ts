import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import type { DescField, DescMessage } from "@bufbuild/protobuf";
import { Health } from "@hodei/proto/grpc/health/v1/health";
import { EventService } from "@hodei/proto/hodei/v1/event_service";
import { JobSpecSchema } from "@hodei/proto/hodei/v1/job";
import { JobService } from "@hodei/proto/hodei/v1/job_service";
import { LogService } from "@hodei/proto/hodei/v1/log_service";
import { SecretService } from "@hodei/proto/hodei/v1/secret_service";
import { WorkerAdminService } from "@hodei/proto/hodei/v1/worker_admin_service";
import { readServerConfig, schema } from "./config.ts";
import { UNSUPPORTED_FIELDS } from "./interface/grpc/convert/unsupported-fields.ts";

const readDocument = (name: string): string =>
  readFileSync(new URL(`../../../docs/${name}`, import.meta.url), "utf8");

/** Rows of the table under a heading, as cells without their backticks. */
function rowsUnder(heading: string, document: string): string[][] {
  const section = document.split(/^##+ /m).find((text) => text.startsWith(`${heading}\n`)) ?? "";
  const [, , ...rows] = section.split("\n").filter((line) => line.startsWith("|"));
  return rows.map((row) =>
    row
      .split("|")
      .slice(1, -1)
      .map((cell) => cell.trim().replaceAll("`", "")),
  );
}

/** Fields of the contract by their paths in JSON. Messages of other packages, such as durations, are values. */
function fieldPaths({ fields }: DescMessage, prefix = ""): string[] {
  return fields.flatMap((field) => {
    const path = `${prefix}${field.jsonName}`;
    const inner = innerMessage(field);
    return inner === undefined ? [path] : [path, ...fieldPaths(inner, `${path}.`)];
  });
}

function innerMessage(field: DescField): DescMessage | undefined {
  const isOurs = field.message?.typeName.startsWith("hodei.") ?? false;
  return isOurs && field.fieldKind !== "map" ? field.message : undefined;
}

test("docs/job-spec.md has every field of the contract, and no other", () => {
  const described = rowsUnder("Fields", readDocument("job-spec.md")).map(([field]) => field);
  // What stands in a preference is a constraint again.
  const paths = fieldPaths(JobSpecSchema).filter(
    (path) => !/^preferences\.constraint\./.test(path),
  );
  assert.deepEqual(described.toSorted(), paths.toSorted());
});

test("docs/job-spec.md names the fields that are refused", () => {
  const document = readDocument("job-spec.md");
  const refused = UNSUPPORTED_FIELDS.map(({ field }) => field);
  const named = rowsUnder("What is refused today", document).map(([field]) => field);
  assert.deepEqual(named, refused);
  const marked = rowsUnder("Fields", document).filter(([, , limit]) => limit?.includes("refused"));
  const toSnakeCase = (path = "") => path.replaceAll(/[A-Z]/g, (l) => `_${l.toLowerCase()}`);
  assert.deepEqual(
    marked.map(([field]) => toSnakeCase(field)),
    refused,
  );
});

test("docs/api.md has every call of the public listener", () => {
  const described = rowsUnder("The calls", readDocument("api.md")).map(([call]) => call);
  const calls = [JobService, LogService, EventService, SecretService, WorkerAdminService].flatMap(
    (service) => service.methods.map((method) => `${service.name}/${method.name}`),
  );
  const health = `${Health.typeName}/${Health.methods.map(({ name }) => name).join(", ")}`;
  assert.deepEqual(described, [...calls, health]);
});

test("docs/operations.md has every setting of a server with its default, and no other", () => {
  const rows = rowsUnder("Server settings", readDocument("operations.md"));
  const known = Object.keys(schema.shape).map((key) => [
    `HODEI_SERVER_${key.replaceAll(/[A-Z]/g, (letter) => `_${letter}`).toUpperCase()}`,
    key,
  ]);
  assert.deepEqual(
    rows.map(([name]) => name),
    known.map(([name]) => name),
  );
  const { dataDir: _, ...defaults } = readServerConfig({ dataDir: "/" }, {});
  for (const [index, [name, key = ""]] of known.entries()) {
    const value = (defaults as Record<string, unknown>)[key];
    // No value, and no names or weights, are told in words.
    if (value === undefined || typeof value === "object") continue;
    assert.equal(rows[index]?.[1], String(value), name);
  }
});

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { entryPoints, resolveImport, type Workspaces } from "./workspace.ts";

const source = (path: string) => ({ "@hodei/source": path });
const WORKSPACES: Workspaces = new Map([
  [
    "packages/proto",
    { name: "@hodei/proto", exports: { "./hodei/v1/*": source("./src/gen/hodei/v1/*_pb.ts") } },
  ],
  [
    "packages/server",
    {
      name: "@hodei/server",
      exports: {
        ".": source("./src/index.ts"),
        "./postgres": source("./src/infrastructure/postgres/index.ts"),
      },
      bin: { server: "bin/server.mjs" },
    },
  ],
]);

describe("resolveImport", () => {
  const cases: [specifier: string, path: string | undefined][] = [
    ["./b.ts", "packages/server/src/b.ts"],
    ["../../proto/src/x.ts", "packages/proto/src/x.ts"],
    ["@hodei/server", "packages/server/src/index.ts"],
    ["@hodei/server/postgres", "packages/server/src/infrastructure/postgres/index.ts"],
    ["@hodei/proto/hodei/v1/job", "packages/proto/src/gen/hodei/v1/job_pb.ts"],
    ["@hodei/server/src/config.ts", undefined],
    ["node:fs", undefined],
  ];
  for (const [specifier, path] of cases) {
    test(`${specifier} means ${path ?? "no file of ours"}`, () => {
      assert.equal(resolveImport(WORKSPACES, "packages/server/src/a.ts", specifier), path);
    });
  }
});

test("a workspace is entered by its exports and its commands", () => {
  assert.deepEqual([...entryPoints(WORKSPACES)].slice(1), [
    "packages/server/src/index.ts",
    "packages/server/src/infrastructure/postgres/index.ts",
    "packages/server/bin/server.mjs",
  ]);
});

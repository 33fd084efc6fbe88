import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { checkImportTable } from "./import-table.ts";
import { parseSource } from "./source.ts";
import type { Workspaces } from "./workspace.ts";

const WORKSPACES: Workspaces = new Map(
  ["domain", "server", "worker", "testkit", "sdk"].map((name) => [
    `packages/${name}`,
    { name: `@hodei/${name}`, exports: { ".": { "@hodei/source": "./src/index.ts" } } },
  ]),
);

describe("the import table", () => {
  const allowed: [path: string, specifier: string][] = [
    ["packages/domain/src/job.ts", "./errors.ts"],
    ["packages/domain/src/job.test.ts", "@hodei/testkit"],
    ["packages/domain/src/job.test.ts", "node:test"],
    ["packages/server/src/application/a.ts", "@hodei/domain"],
    ["packages/server/src/application/a.integration.test.ts", "../infrastructure/b.ts"],
    ["packages/server/src/infrastructure/postgres/a.ts", "pg"],
    ["packages/server/src/application/a.integration.test.ts", "pg"],
    ["packages/server/src/start-server.ts", "./infrastructure/postgres/a.ts"],
    ["packages/cli/src/commands/worker.ts", "@hodei/worker"],
    ["packages/cli/src/local-stack/start.ts", "@hodei/server"],
    ["packages/cli/src/commands/run.ts", "../local-stack/start.ts"],
    ["tools/generate.ts", "@hodei/domain"],
    ["examples/examples.test.ts", "../tools/a.ts"],
  ];
  for (const [path, specifier] of allowed) {
    test(`${path} may import ${specifier}`, () => {
      assert.deepEqual(check(path, specifier), []);
    });
  }

  const refused: [path: string, specifier: string, message: string][] = [
    ["packages/domain/src/job.ts", "node:crypto", "domain may not import node:crypto"],
    ["packages/domain/src/job.ts", "@hodei/testkit", "domain may not import testkit"],
    ["packages/worker/src/a.ts", "@hodei/server", "worker may not import server"],
    ["packages/worker/src/a.test.ts", "@hodei/server", "worker may not import server"],
    [
      "packages/server/src/application/a.ts",
      "../infrastructure/b.ts",
      "server/application may not import server/infrastructure",
    ],
    [
      "packages/server/src/infrastructure/a.ts",
      "../application/b.ts",
      "server/infrastructure may not import server/application",
    ],
    ["packages/cli/src/commands/run.ts", "@hodei/server", "cli may not import server"],
    ["packages/sdk/src/a.ts", "pgx", "sdk may not import pgx"],
    ["packages/server/src/infrastructure/a.ts", "pgx", "server/infrastructure may not import pgx"],
    [
      "packages/worker/src/a.ts",
      "@hodei/domain/src/job.ts",
      "@hodei/domain/src/job.ts is not in the package's exports",
    ],
    [
      "tools/a.ts",
      "../packages/cli/src/main.ts",
      "../packages/cli/src/main.ts leaves the package: import it by its name",
    ],
    [
      "packages/worker/src/a.ts",
      "../../domain/src/job.ts",
      "../../domain/src/job.ts leaves the package: import it by its name",
    ],
  ];
  for (const [path, specifier, message] of refused) {
    test(`${path}: ${message}`, () => {
      assert.deepEqual(
        check(path, specifier).map((finding) => finding.message),
        [message],
      );
    });
  }
});

function check(path: string, specifier: string) {
  return checkImportTable([parseSource(path, `import { a } from "${specifier}";\n`)], WORKSPACES);
}

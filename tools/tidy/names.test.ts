import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { checkNames } from "./names.ts";
import { parseSource } from "./source.ts";

describe("names", () => {
  const refused: [path: string, text: string, message: string][] = [
    ["job-manager.ts", "", 'file name with "manager"'],
    ["a.ts", "class JobManager {}", 'JobManager: "Manager" says nothing'],
    ["a.ts", "const string_utils = 1;", 'string_utils: "utils" says nothing'],
    ["a.ts", "function impl() {}", 'impl: "impl" says nothing'],
    ["a.ts", "type JobUtil = string;", 'JobUtil: "Util" says nothing'],
    ["a.ts", "interface IStore {}", 'interface IStore needs no "I"'],
  ];
  for (const [path, text, message] of refused) {
    test(message, () => {
      const findings = checkNames([parseSource(path, text)]);
      assert.deepEqual(
        findings.map((finding) => finding.message),
        [message],
      );
    });
  }

  const allowed = [
    `import { type ServiceImpl } from "@connectrpc/connect";`,
    "const utilization = 0.5;",
    `import { inspect } from "node:util";`,
    "export function jobService(): ServiceImpl<typeof JobService> {}",
    "const commonName = subject.get();",
    "interface Identity {}",
    "// a helper of sorts",
  ];
  for (const text of allowed) {
    test(`allows ${text}`, () => {
      assert.deepEqual(checkNames([parseSource("a.ts", text)]), []);
    });
  }
});

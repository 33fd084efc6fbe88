import assert from "node:assert/strict";
import { access, readdir } from "node:fs/promises";
import { delimiter, join } from "node:path";
import { after, before, describe, test } from "node:test";
import { createOwnStack, type OwnStack, runInShell } from "../tools/own-stack.ts";
import { readExamples } from "./read-examples.ts";

const FOLDER = import.meta.dirname;

/** What is no job to run. Its test is `e2e/foreign-worker.test.ts`. */
const PROGRAMS = ["foreign-worker"];

/** Programs that examples need and a machine may lack, with what installs them on Debian. */
const NEEDS: Readonly<Record<string, { readonly program: string; readonly install: string }>> = {
  python: { program: "python3", install: "apt-get install python3" },
  "build-c": { program: "cc", install: "apt-get install gcc libc6-dev" },
};

const examples = await readExamples(FOLDER);
const lacks = new Map(
  await Promise.all(examples.map(async ({ name }) => [name, await findLack(name)] as const)),
);

describe("the examples do what their README says", () => {
  let stack: OwnStack;

  before(async () => {
    stack = await createOwnStack();
  });
  after(() => stack.remove());

  test("each has a folder and a section", async () => {
    const entries = await readdir(FOLDER, { withFileTypes: true });
    const folders = entries.filter((entry) => entry.isDirectory()).map(({ name }) => name);
    const names = [...examples.map(({ name }) => name), ...PROGRAMS];
    assert.deepEqual(folders.sort(), names.sort());
  });

  for (const { name, commands, expectedStdout } of examples) {
    test(name, { skip: lacks.get(name) ?? false }, async () => {
      assert.notEqual(commands, "", "the section has no commands");
      const { stdout, stderr } = await runInShell(commands, stack);
      // Both, so that a failure shows the reason, which may stand on standard error.
      assert.deepEqual(
        { stdout: withoutNotices(stdout), stderr: withoutNotices(stderr) },
        { stdout: expectedStdout, stderr: "" },
      );
    });
  }
});

/** What the command line says of its own doing, such as that it starts the stack, depends on what ran before. */
function withoutNotices(output: string): string {
  return output.replaceAll(/^hodei: .*\n/gm, "");
}

/** Why the example cannot run here, and what would let it. */
async function findLack(name: string): Promise<string | undefined> {
  const need = NEEDS[name];
  if (need === undefined) return undefined;
  const folders = (process.env.PATH ?? "").split(delimiter);
  const isThere = await Promise.any(
    folders.map((folder) => access(join(folder, need.program))),
  ).then(
    () => true,
    () => false,
  );
  return isThere ? undefined : `needs ${need.program}: ${need.install}`;
}

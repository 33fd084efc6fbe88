import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { checkDocuments, type RepositoryFacts } from "./documents.ts";

const FACTS: RepositoryFacts = {
  scripts: new Set(["test", "demo"]),
  findCommand: (name) => {
    if (name === "run") return { accepts: () => true };
    if (name === "jobs") return { accepts: (word) => word === "list" };
    return undefined;
  },
  hasFlag: (flag) => flag === "--timeout",
  hasPath: (path) => ["docs/a.md", "README.md", "packages/domain"].includes(path),
  hasWord: (word) => ["createJob", "JOB_TRANSITIONS", "Deps", "clock", "dataDir"].includes(word),
};

describe("documents", () => {
  const refused: [text: string, message: string][] = [
    ["Run `npm run nothing`.", 'there is no npm script "nothing"'],
    ["```sh\nnpm start\n```", 'there is no npm script "start"'],
    ["Run `hodei nothing`.", 'there is no command "hodei nothing"'],
    ["```sh\n$ npx hodei jobs nothing\n```", 'there is no command "hodei jobs nothing"'],
    ["`hodei run --nothing 2s -- sleep 60`", "hodei has no flag --nothing"],
    ["See `packages/nothing`.", "there is no file packages/nothing"],
    ["Call `createNothing`.", "no source has the name createNothing"],
    ["Call `Deps.noThing()`.", "no source has the name noThing"],
    ["Set `HODEI_WORKER_NO_THING`.", "no source has the name HODEI_WORKER_NO_THING"],
    ["See [that](b.md#part).", "the link b.md#part leads nowhere"],
  ];
  for (const [text, message] of refused) {
    test(message, () => assert.deepEqual(check(text), [message]));
  }

  const accepted = [
    "Run `npm test` or `npm run demo`.",
    "`hodei run --timeout 2s -- sleep --nothing` and `hodei jobs list | wc -l`",
    "See `packages/domain`, [a](a.md), [the start](../README.md#hodei) and [afar](https://example.org/x).",
    "`createJob` takes `Deps.clock`; `JOB_TRANSITIONS` is the table; `pending` is a word.",
    "`HODEI_SERVER_DATA_DIR` is the variable of a setting.",
    "A sentence about hodei nothing is no command.",
  ];
  for (const text of accepted) {
    test(`accepts: ${text}`, () => assert.deepEqual(check(text), []));
  }

  test("a record of the past may name what is gone, but its links must lead somewhere", () => {
    assert.deepEqual(check("`hodei gone` [x](gone.md)", "docs/adr/0001-x.md"), [
      "the link gone.md leads nowhere",
    ]);
  });
});

function check(text: string, path = "docs/text.md"): string[] {
  return checkDocuments([{ path, text }], FACTS).map(({ message }) => message);
}

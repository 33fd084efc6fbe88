import assert from "node:assert/strict";
import { test } from "node:test";
import { secretLines, streamOfLine } from "../program/encodings.ts";
import { logOf, streamDigest } from "./run-fixtures.test.ts";
import { checkSecretLog } from "./secret-log.ts";

const SECRETS = [{ name: "LINES", value: "first line of it\nsecond line of it" }];

/** What a worker makes of the job's lines that masks as it has to, or does what `change` does. */
function logFrom(change: (line: string, index: number) => string = (line) => line) {
  const texts = { stdout: "", stderr: "" };
  for (const [index, { shown }] of secretLines(SECRETS).entries()) {
    texts[streamOfLine(index)] += change(shown ?? "LINES base64 [cGF***fn4=]\n", index);
  }
  const { stdout, stderr } = texts;
  return logOf(0, {
    stdout: streamDigest(Buffer.from(stdout)),
    stderr: streamDigest(Buffer.from(stderr)),
  });
}

test("a log in which every secret is masked and nothing else", () => {
  assert.deepEqual(checkSecretLog(SECRETS, logFrom(), { isComplete: true }), []);
});

test("a secret that shows, and is not shown by the report", () => {
  const [message] = checkSecretLog(
    SECRETS,
    logFrom((line) => line.replace("***", "first line of it")),
    { isComplete: true },
  );
  assert.match(message ?? "", /line 1 of stdout/);
  assert.doesNotMatch(message ?? "", /first line of it/);
});

test("text beside a secret that was masked, too", () => {
  assert.equal(
    checkSecretLog(
      SECRETS,
      logFrom((line) => line.replace("raw", "***")),
      { isComplete: true },
    ).length,
    1,
  );
});

test("an encoded secret in a longer text has to be masked somewhere", () => {
  assert.equal(
    checkSecretLog(
      SECRETS,
      logFrom((line) => line.replace("cGF***fn4=", "cGFyc2U=")),
      { isComplete: true },
    ).length,
    2,
  );
});

test("a log that lacks its last line is whole only if its job was ended", () => {
  const cut = logFrom((line, index) => (index === 9 ? "" : line));
  const { stdout } = cut;
  const short = {
    ...cut,
    stdout: { ...stdout, text: stdout.text.split("\n").slice(0, -2).join("\n") },
  };
  assert.equal(checkSecretLog(SECRETS, short, { isComplete: true }).length, 1);
  assert.deepEqual(
    checkSecretLog(
      SECRETS,
      {
        ...short,
        stderr: logFrom().stderr,
        stdout: streamDigest(Buffer.from("LINES raw [***]\nLINES cr")),
      },
      { isComplete: false },
    ),
    [],
  );
});

import assert from "node:assert/strict";
import { test } from "node:test";
import { COMMANDS } from "./commands.ts";
import { runCli } from "./run-cli.ts";
import { fakeContext } from "./testing/fake-context.ts";

async function cli(...args: string[]) {
  const context = fakeContext({});
  await runCli(args, context);
  return { exitCode: context.exitCode, stdout: context.stdout.text, stderr: context.stderr.text };
}

test("help lists every command; without a command it is wrong usage", async () => {
  const { stdout, exitCode } = await cli("--help");
  for (const { name, summary } of COMMANDS)
    assert.match(stdout, new RegExp(`  ${name} +${summary}`));
  assert.equal(exitCode, 0);
  const none = await cli();
  assert.equal(none.exitCode, 2);
  assert.equal(none.stdout, "");
  assert.equal(none.stderr, stdout);
});

test("every command has help, also by `hodei help`", async () => {
  for (const { name } of COMMANDS) {
    const { stdout, stderr, exitCode } = await cli("help", name);
    assert.match(stdout, new RegExp(`^Usage: hodei ${name}`), stderr);
    assert.equal(exitCode, 0);
    assert.deepEqual(await cli(name, "--help"), { stdout, stderr, exitCode });
  }
  assert.match((await cli("jobs", "list", "--help")).stdout, /^Usage: hodei jobs list/);
});

test("an unknown command suggests one", async () => {
  assert.deepEqual(await cli("rnu", "--", "x"), {
    exitCode: 2,
    stdout: "",
    stderr:
      'hodei: unknown command "rnu" (did you mean "run"?); see all of them with: hodei help\n',
  });
  assert.match((await cli("help", "toString")).stderr, /unknown command "toString"; see/);
  assert.match((await cli("jobs", "lst")).stderr, /unknown command 'lst' \(did you mean list\?\)/);
});

test("options in front of the command are refused", async () => {
  const { stderr, exitCode } = await cli("--output", "json", "version");
  assert.match(stderr, /unknown option --output before the command/);
  assert.equal(exitCode, 2);
});

test("a group without its command lists them", async () => {
  const { stderr, exitCode } = await cli("jobs");
  assert.match(stderr, /hodei jobs needs a command: list, get, wait, cancel, retry, explain; see/);
  assert.equal(exitCode, 2);
});

test("errors are JSON where the output is", async () => {
  for (const flags of [["-o", "json"], ["-ojson"], ["--output=json"], ["--output", "json"]]) {
    const { stderr, exitCode } = await cli("jobs", "get", "1", ...flags);
    const { error } = JSON.parse(stderr);
    assert.match(error.message, /"1" is not an id/);
    assert.equal(error.code, "invalid_argument");
    assert.equal(exitCode, 2);
  }
});

test("version", async () => {
  const { stdout } = await cli("version");
  assert.match(stdout, /^hodei \d+\.\d+\.\d+\n$/);
  assert.equal((await cli("--version")).stdout, stdout);
  assert.equal((await cli("-V")).stdout, stdout);
  const { version, node } = JSON.parse((await cli("version", "-o", "json")).stdout);
  assert.equal(`hodei ${version}\n`, stdout);
  assert.equal(node, process.versions.node);
});

test("help and advice are about the innermost command", async () => {
  const help = fakeContext({});
  await runCli(["events", "dead-letters", "list", "--help"], help);
  assert.match(help.stdout.text, /^Usage: hodei events dead-letters list \[options\]\n/);
  assert.match(help.stdout.text, /--limit <count>/);
  const wrong = fakeContext({});
  await runCli(["events", "dead-letters", "replay", "--al"], wrong);
  assert.match(wrong.stderr.text, /; see: hodei events dead-letters replay --help\n$/);
  assert.equal(wrong.exitCode, 2);
  const bare = fakeContext({});
  await runCli(["events", "dead-letters"], bare);
  assert.match(
    bare.stderr.text,
    /hodei events dead-letters needs a command: list, replay, discard/,
  );
});

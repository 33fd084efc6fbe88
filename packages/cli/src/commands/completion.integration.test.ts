import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { before, test } from "node:test";
import { runCli } from "../run-cli.ts";
import { fakeContext } from "../testing/fake-context.ts";

async function script(shell: string): Promise<string> {
  const context = fakeContext({});
  await runCli(["completion", shell], context);
  assert.equal(context.stderr.text, "");
  return context.stdout.text;
}

let bashCompletion = "";
before(async () => {
  bashCompletion = await script("bash");
});

/** What bash offers at the end of `words`. */
function complete(...words: string[]): string[] {
  const program = `${bashCompletion}
COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _hodei; printf '%s\\n' "\${COMPREPLY[@]}"`;
  const output = execFileSync("bash", ["-euc", program, "bash", "hodei", ...words], {
    encoding: "utf8",
  });
  return output.split("\n").filter((line) => line !== "");
}

test("bash completes commands, commands inside them, options and closed sets of values", () => {
  assert.deepEqual(complete("wor"), ["workers", "worker"]);
  assert.ok(complete("").includes("run"));
  assert.deepEqual(complete("jobs", "ca"), ["cancel"]);
  assert.ok(complete("run", "--").includes("--queue-timeout"));
  assert.deepEqual(complete("jobs", "list", "--lab"), ["--label"]);
  assert.deepEqual(complete("logs", "--stream", ""), ["stdout", "stderr"]);
  assert.deepEqual(complete("jobs", "get", "id", "--output", "j"), ["json"]);
  assert.deepEqual(complete("completion", "f"), ["fish"]);
  assert.deepEqual(complete("run", "--", "l"), []);
});

test("zsh and fish get every command and option, quoted", async () => {
  const zsh = await script("zsh");
  assert.match(zsh, /^#compdef hodei\n/);
  assert.match(zsh, /'create-join-token:/);
  assert.match(zsh, /'\*--output\[form of the output\]:value:\(text json yaml\)'/);
  const fish = await script("fish");
  assert.match(
    fish,
    /-n __fish_use_subcommand -a doctor -d 'Check that everything Hodei needs is in order'/,
  );
  assert.match(
    fish,
    /__fish_seen_subcommand_from jobs; and __fish_seen_subcommand_from list' -l state/,
  );
});

test("an unknown shell is refused with those there are", async () => {
  const context = fakeContext({});
  await runCli(["completion", "tcsh"], context);
  assert.equal(context.exitCode, 2);
  assert.match(context.stderr.text, /<shell>: Allowed choices are bash, zsh, fish/);
});

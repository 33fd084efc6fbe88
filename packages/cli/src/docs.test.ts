import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import type { Command } from "commander";
import { COMMANDS } from "./commands.ts";
import { fakeContext } from "./testing/fake-context.ts";

const DOCS = readFileSync(new URL("../../../docs/cli.md", import.meta.url), "utf8");

/** The text under the heading of a command. */
const sectionOf = (name: string): string =>
  DOCS.split(/^## /m).find((section) => section.startsWith(`\`hodei ${name}\`\n`)) ?? "";

function optionsOf(command: Command): string[] {
  const own = command.options.filter(({ hidden }) => !hidden).map(({ long }) => long ?? "");
  return [...own, ...command.commands.flatMap(optionsOf)];
}

test("docs/cli.md has every command and option, and no other", async () => {
  for (const { name, load } of COMMANDS) {
    const command = await (await load()).define(fakeContext({}), [], COMMANDS);
    const section = sectionOf(name);
    assert.notEqual(section, "", name);
    const options = optionsOf(command);
    for (const option of options) {
      assert.match(section, new RegExp(`${option}\\b`), `${name} ${option}`);
    }
    for (const { 1: inner = "" } of section.matchAll(
      new RegExp(`hodei ${name} ([a-z][a-z-]*)`, "g"),
    )) {
      if (command.commands.length === 0) continue;
      assert.ok(
        command.commands.some((known) => known.name() === inner),
        `${name} ${inner}`,
      );
    }
    for (const inner of command.commands)
      assert.ok(section.includes(`hodei ${name} ${inner.name()}`));
    for (const [option] of section.matchAll(/(?<=`)--[a-z-]+/g)) {
      // `hodei run --detach` is named where submit is explained.
      assert.ok(options.includes(option), `${name} has no ${option}`);
    }
  }
});

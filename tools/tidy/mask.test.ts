import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { mask } from "./mask.ts";

describe("mask", () => {
  const cases: [title: string, text: string, masked: string][] = [
    ["a line comment", "a; // b", "a;     "],
    ["a block comment keeps its lines", "a /* b\nc */ d", "a     \n     d"],
    ["a string keeps its quotes", `f("a // b", 'c')`, `f("      ", ' ')`],
    ["an escaped quote", String.raw`f("a\"b") // c`, `f("    ")     `],
    ["a template", "f(`a b`)", "f(`   `)"],
    ["the code in a template", "`a ${b} c ${d({})} e`", "`  ${b}   ${d({})}  `"],
    ["a template in a template", "`a ${b(`c ${d}`)} e`", "`  ${b(`  ${d}`)}  `"],
    ["a regular expression", String.raw`x = /a"\/[/"]/g; y`, "x =           g; y"],
    ["a division", `x = a / b / "c"`, `x = a / b / " "`],
    ["a division after a bracket", `x = (a) / b; y = "/"`, `x = (a) / b; y = " "`],
  ];
  for (const [title, text, masked] of cases) {
    test(title, () => assert.equal(mask(text), masked));
  }
});

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { type Item, MAX_MASK_BYTES, MaskScanner } from "./mask-scanner.ts";

/** The text without commands, and what was found in them, for `text` in pieces that end at `cuts`. */
function scanAll(text: string, cuts: readonly number[]): { text: string; masks: string[] } {
  const bytes = Buffer.from(text);
  const ends = [...cuts.map((cut) => cut % (bytes.length + 1)), bytes.length].sort((a, b) => a - b);
  const scanner = new MaskScanner();
  const items: Item[] = ends.flatMap((end, index) => [
    ...scanner.write(bytes.subarray(ends[index - 1] ?? 0, end)),
  ]);
  items.push(...scanner.end());
  const kept = items.map((item) => (item.kind === "text" ? Buffer.from(item.bytes) : Buffer.of()));
  const masks = items.flatMap((item) => {
    if (item.kind === "text") return [];
    return item.kind === "mask" ? [Buffer.from(item.value).toString()] : ["(oversized)"];
  });
  return { text: Buffer.concat(kept).toString(), masks };
}

test("lines with the command are taken out, and only those", () => {
  const text = "one\n::add-mask::first value\ntwo ::add-mask::no\n::add-mask\n:\n::add-mask::x\n::";
  for (let cut = 0; cut <= text.length; cut += 1) {
    assert.deepEqual(scanAll(text, [cut]), {
      text: "one\ntwo ::add-mask::no\n::add-mask\n:\n::",
      masks: ["first value", "x"],
    });
  }
});

test("a command may be the first line, the last without an end, and empty", () => {
  assert.deepEqual(scanAll("::add-mask::\n::add-mask::last", []), {
    text: "",
    masks: ["", "last"],
  });
});

test("a value that is too long is taken out whole", () => {
  const text = `a\n::add-mask::${"x".repeat(MAX_MASK_BYTES + 1)}\nb\n`;
  for (const cuts of [[], [20], [20, 3_000], [4_111]]) {
    assert.deepEqual(scanAll(text, cuts), { text: "a\nb\n", masks: ["(oversized)"] });
  }
  const longest = "x".repeat(MAX_MASK_BYTES);
  assert.deepEqual(scanAll(`::add-mask::${longest}\n`, [50]).masks, [longest]);
});

test("cuts change nothing", () => {
  const part = fc.constantFrom("\n", ":", "::add-mask::", "::add", "-mask::", "x", "value", "\r\n");
  fc.assert(
    fc.property(
      fc.array(part, { maxLength: 30 }),
      fc.array(fc.nat(), { maxLength: 10 }),
      (parts, cuts) => {
        const text = parts.join("");
        const lines = text.split("\n");
        const isCommand = (line: string): boolean => line.startsWith("::add-mask::");
        assert.deepEqual(scanAll(text, cuts), {
          text: lines
            .map((line, index) => line + (index < lines.length - 1 ? "\n" : ""))
            .filter((line) => !isCommand(line))
            .join(""),
          masks: lines.filter(isCommand).map((line) => line.slice("::add-mask::".length)),
        });
      },
    ),
    { numRuns: 1_000 },
  );
});

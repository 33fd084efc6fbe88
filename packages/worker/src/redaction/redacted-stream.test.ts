import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { MIN_MASKED_BYTES } from "@hodei/domain";
import fc from "fast-check";
import { buildAutomaton } from "./automaton.ts";
import { RedactedStream } from "./redacted-stream.ts";

const bytes = (text: string): Buffer => Buffer.from(text, "latin1");
const textOf = (data: Uint8Array): string => Buffer.from(data).toString("latin1");

/** Cuts `text` at `cuts`, in any order. */
function split(text: Buffer, cuts: readonly number[]): Buffer[] {
  const ends = [...cuts.map((cut) => cut % (text.length + 1)), text.length].sort((a, b) => a - b);
  return ends.map((end, index) => text.subarray(ends[index - 1] ?? 0, end));
}

function redact(needles: readonly Buffer[], pieces: readonly Buffer[]): string {
  const stream = new RedactedStream(buildAutomaton(needles));
  const out = pieces.map((piece) => stream.write(piece));
  return Buffer.concat([...out, stream.end()]).toString("latin1");
}

/** What a reader of the whole text would mask: slow, and without any state. */
function oracle(needles: readonly Buffer[], text: Buffer): string {
  const isMarked = new Array<boolean>(text.length).fill(false);
  for (const needle of needles) {
    for (let at = text.indexOf(needle); at !== -1; at = text.indexOf(needle, at + 1)) {
      isMarked.fill(true, at, at + needle.length);
    }
  }
  const cutOff = text.length - longestBeginning(needles, text);
  let shown = cutOff;
  while (isMarked[shown]) shown += 1;
  if (text.length - shown >= MIN_MASKED_BYTES) isMarked.fill(true, cutOff);
  let out = "";
  for (let at = 0; at < text.length; at += 1) {
    if (!isMarked[at]) out += String.fromCharCode(text[at] ?? 0);
    else if (at === 0 || !isMarked[at - 1]) out += "***";
  }
  return out;
}

/** Length of the longest end of `text` that begins a needle and is not all of it. */
function longestBeginning(needles: readonly Buffer[], text: Buffer): number {
  const lengths = needles.flatMap((needle) =>
    Array.from({ length: needle.length }, (_, length) => length).filter((length) =>
      text.subarray(text.length - length).equals(needle.subarray(0, length)),
    ),
  );
  return Math.max(0, ...lengths.filter((length) => length <= text.length));
}

describe("masks", () => {
  const cases: readonly [name: string, needles: string[], text: string, redacted: string][] = [
    ["a needle", ["secret"], "a secret here", "a *** here"],
    ["a beginning that overlaps itself", ["aab"], "xaaaby", "xa***y"],
    ["two that overlap", ["abcd", "cdef"], "xabcdefx", "x***x"],
    ["two that touch", ["abc", "def"], "xabcdefx", "x***x"],
    ["one that overlaps itself", ["abab"], "xabababx", "x***x"],
    ["one within another", ["abcdef", "cd"], "cd abcdef abcd", "*** *** ab***"],
    ["the longer of two that begin alike", ["pass", "password"], "password pass", "*** ***"],
    ["a shorter one when the longer breaks off", ["abc", "abcdef"], "abcdex", "***dex"],
    ["an inner one when the outer breaks off", ["xabcz", "abc"], "xabcy", "x***y"],
    ["single bytes", ["a"], "banana", "b***n***n***"],
    ["special characters", ["$^.*[a]\\"], "x$^.*[a]\\x", "x***x"],
    ["line ends and zeros", ["a\n\0b"], "a\n\0b\n", "***\n"],
  ];
  for (const [name, needles, text, redacted] of cases) {
    test(name, () => {
      for (let cut = 0; cut <= text.length; cut += 1) {
        const pieces = [bytes(text).subarray(0, cut), bytes(text).subarray(cut)];
        assert.equal(redact(needles.map(bytes), pieces), redacted, `cut at ${cut}`);
      }
    });
  }

  test("the same in any cut, as a reader of the whole would", () => {
    const letter = fc.constantFrom(..."aaabbc");
    const word = (minLength: number, maxLength: number): fc.Arbitrary<Buffer> =>
      fc.array(letter, { minLength, maxLength }).map((letters) => bytes(letters.join("")));
    fc.assert(
      fc.property(
        fc.array(word(1, 12), { minLength: 1, maxLength: 8 }),
        word(0, 60),
        fc.array(fc.nat(), { maxLength: 12 }),
        (needles, text, cuts) => {
          assert.equal(redact(needles, split(text, cuts)), oracle(needles, text));
        },
      ),
      { numRuns: 3_000 },
    );
  });

  test("the same where text is skipped", () => {
    const word = (minLength: number, maxLength: number): fc.Arbitrary<Buffer> =>
      fc
        .array(fc.constantFrom(..."abcde"), { minLength, maxLength })
        .map((letters) => bytes(letters.join("")));
    fc.assert(
      fc.property(
        fc.array(word(5, 20), { minLength: 1, maxLength: 8 }),
        fc.array(word(0, 30), { maxLength: 12 }),
        fc.array(fc.nat({ max: 7 }), { maxLength: 12 }),
        fc.array(fc.nat(), { maxLength: 6 }),
        (needles, fill, picks, cuts) => {
          const parts = picks.map((pick) => needles[pick] ?? bytes("-"));
          const text = Buffer.concat(fill.flatMap((part, index) => [part, parts[index] ?? part]));
          assert.equal(redact(needles, split(text, cuts)), oracle(needles, text));
        },
      ),
      { numRuns: 3_000 },
    );
  });

  test("the same for any bytes, with needles taken from the text", () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ minLength: 20, maxLength: 300 }).map((data) => Buffer.from(data)),
        fc.array(fc.tuple(fc.nat(), fc.integer({ min: 1, max: 80 })), { maxLength: 40 }),
        fc.array(fc.nat(), { maxLength: 12 }),
        (text, places, cuts) => {
          const taken = places.map(([place, length]) => {
            const at = place % text.length;
            return text.subarray(at, at + length);
          });
          const needles = [...taken, bytes("not in it")];
          assert.equal(redact(needles, split(text, cuts)), oracle(needles, text));
        },
      ),
      { numRuns: 500 },
    );
  });
});

describe("holds back", () => {
  test("only the beginning of a needle, and no masked byte", () => {
    const stream = new RedactedStream(buildAutomaton(["secret", "token"].map(bytes)));
    assert.equal(textOf(stream.write(bytes("a line\n"))), "a line\n");
    assert.equal(textOf(stream.write(bytes("the secre"))), "the ");
    assert.equal(stream.heldBytes, 5);
    assert.equal(textOf(stream.write(bytes("t"))), "***");
    assert.equal(stream.heldBytes, 0);
    assert.equal(textOf(stream.write(bytes("secret"))), "");
    assert.equal(textOf(stream.write(bytes(" to"))), " ");
    assert.equal(textOf(stream.end()), "to");
  });

  test("a needle that may go on is masked at once, and the longer one adds no second mask", () => {
    const stream = new RedactedStream(buildAutomaton(["secret", "secrets of all"].map(bytes)));
    assert.equal(textOf(stream.write(bytes("secret"))), "***");
    assert.equal(textOf(stream.write(bytes("s of "))), "");
    assert.equal(textOf(stream.write(bytes("all."))), ".");
  });

  test("fewer bytes than the longest needle has, whatever is written", () => {
    const letters = fc.array(fc.constantFrom(..."ab"), { minLength: 1, maxLength: 20 });
    const word = letters.map((letter) => bytes(letter.join("")));
    fc.assert(
      fc.property(
        fc.array(word, { minLength: 1, maxLength: 5 }),
        fc.array(word, { maxLength: 20 }),
        (needles, pieces) => {
          const stream = new RedactedStream(buildAutomaton(needles));
          const longest = Math.max(...needles.map(({ length }) => length));
          for (const piece of pieces) {
            stream.write(piece);
            assert.ok(stream.heldBytes < longest);
          }
        },
      ),
    );
  });
});

describe("the end of a stream", () => {
  test("masks a secret that was cut off, and shows what is too short to be one", () => {
    const needles = [bytes("correct horse")];
    assert.equal(redact(needles, [bytes("x correct hors")]), "x ***");
    assert.equal(redact(needles, [bytes("x correct")]), "x ***");
    assert.equal(redact(needles, [bytes("x corre")]), "x corre");
  });

  test("begins anew", () => {
    const stream = new RedactedStream(buildAutomaton([bytes("secret")]));
    stream.write(bytes("sec"));
    assert.equal(textOf(stream.end()), "sec");
    assert.equal(textOf(stream.write(bytes("ret"))), "ret");
    assert.equal(textOf(stream.write(bytes("secret"))), "***");
    stream.end();
    assert.equal(textOf(stream.write(bytes("secret"))), "***");
  });
});

test("further needles count from the moment they are given, also for what is held back", () => {
  const few = [bytes("abcdef")];
  const more = [...few, bytes("cdx"), bytes("bc")];
  const stream = new RedactedStream(buildAutomaton(few));
  assert.equal(textOf(stream.write(bytes("bc abcd"))), "bc ");
  stream.use(buildAutomaton(more));
  assert.equal(textOf(stream.write(bytes("x bc"))), "a*** ***");
});

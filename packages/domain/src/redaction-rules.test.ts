import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { isMaskable, linesOf, redactionWarnings, trimBlank } from "./redaction-rules.ts";

const bytes = (text: string): Uint8Array => Buffer.from(text);
const texts = (parts: readonly Uint8Array[]): string[] =>
  parts.map((part) => Buffer.from(part).toString());

describe("what is masked", () => {
  for (const text of ["hunter", "123456", "112233", "pässwort", "a b c d"]) {
    test(`${JSON.stringify(text)} is`, () => assert.equal(isMaskable(bytes(text)), true));
  }

  for (const text of ["", "a", "true", "12345", "------", "aaaaaaaaaaaaaaaa", "ababab"]) {
    test(`${JSON.stringify(text)} is not`, () => assert.equal(isMaskable(bytes(text)), false));
  }
});

test("white space is trimmed at the ends only", () => {
  assert.deepEqual(texts([trimBlank(bytes(" \t\r\n a b \v\f\n"))]), ["a b"]);
  assert.equal(trimBlank(bytes(" \n ")).length, 0);
});

test("lines come trimmed and without empty ones", () => {
  assert.deepEqual(texts(linesOf(bytes("one\r\n\n  two  \n\nthree"))), ["one", "two", "three"]);
  assert.deepEqual(linesOf(bytes("\n\n")), []);
});

describe("warnings", () => {
  test("none for a value that is masked", () => {
    assert.deepEqual(redactionWarnings(bytes("correct horse\n")), []);
    assert.deepEqual(redactionWarnings(bytes("first line\nsecond line\n")), []);
  });

  test("a value that is shown is told, without showing it", () => {
    for (const value of ["x7", "  x7  \n\n", "zzzzzzzzzz"]) {
      const [warning = "", ...rest] = redactionWarnings(bytes(value));
      assert.match(warning, /logs will show it/);
      assert.equal(warning.includes(value.trim()), false);
      assert.deepEqual(rest, []);
    }
  });

  test("short lines of a longer value are counted", () => {
    const [warning = ""] = redactionWarnings(bytes("user: alice in wonderland\nid: 7\n}\n"));
    assert.match(warning, /^2 of the value's 3 lines/);
  });
});

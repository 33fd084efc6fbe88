import assert from "node:assert/strict";
import { test } from "node:test";
import { create } from "@bufbuild/protobuf";
import { LogChunkSchema, LogStream } from "@hodei/proto/hodei/v1/log_service";
import { LineNumbers, withNumbers } from "./line-numbers.ts";

const pieceOf = (text: string, attempt = 1) => ({
  attempt,
  chunk: create(LogChunkSchema, { stream: LogStream.STDOUT, data: Buffer.from(text) }),
});

/** What is printed of these pieces. */
function print(numbers: LineNumbers, pieces: readonly ReturnType<typeof pieceOf>[]): string {
  return pieces.map((piece) => Buffer.from(withNumbers(numbers.take(piece))).toString()).join("");
}

test("each line gets its number once, in whatever pieces it comes", () => {
  const numbers = new LineNumbers(undefined);
  const first = { ...pieceOf("a\nb"), linesBefore: 16n };
  const printed = print(numbers, [first, pieceOf("c"), pieceOf("\n\nd")]);
  assert.equal(printed, "    17\ta\n    18\tbc\n    19\t\n    20\td");
  assert.equal(print(numbers, [pieceOf("e\n", 2)]), "     1\te\n");
});

test("nothing comes after the last line that is wanted", () => {
  const numbers = new LineNumbers(2);
  assert.equal(print(numbers, [pieceOf("a\nb")]), "     1\ta\n     2\tb");
  assert.equal(numbers.isOver, false);
  assert.equal(print(numbers, [pieceOf("b\nc\n")]), "b\n");
  assert.equal(numbers.isOver, true);
  assert.equal(print(numbers, [pieceOf("d\n")]), "");
});

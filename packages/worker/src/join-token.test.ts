import assert from "node:assert/strict";
import { test } from "node:test";
import { parseJoinToken } from "./join-token.ts";

const HASH = "h".repeat(43);
const TOKEN = `hodei-join.${"s".repeat(43)}.${HASH}`;

test("a join token carries the hash of the root certificate", () => {
  assert.deepEqual(parseJoinToken(` ${TOKEN}\n`), { text: TOKEN, rootHash: HASH });
});

test("a malformed token is refused without being shown", () => {
  for (const text of ["", "hodei-join.x", TOKEN.slice(0, -1), `${TOKEN}x`, `x${TOKEN}`]) {
    assert.throws(
      () => parseJoinToken(text),
      (error: Error) => {
        assert.match(error.message, /malformed or cut off/);
        return !error.message.includes("sss");
      },
    );
  }
});

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";
import { joinTokenCodec } from "./join-token-codec.ts";

const FINGERPRINT = createHash("sha256").update("root").digest("base64url");

test("a token carries a secret and the root's fingerprint, and fits the contract", () => {
  const { token, hash } = joinTokenCodec(FINGERPRINT).create();
  const [prefix, secret, fingerprint] = token.split(".");
  assert.equal(prefix, "hodei-join");
  assert.equal(Buffer.from(secret ?? "", "base64url").length, 32);
  assert.equal(fingerprint, FINGERPRINT);
  assert.ok(token.length >= 16 && token.length <= 512);
  assert.match(hash, /^[0-9a-f]{64}$/);
});

test("the hash is of the whole token, and of any text", () => {
  const codec = joinTokenCodec(FINGERPRINT);
  const { token, hash } = codec.create();
  assert.equal(codec.hash(token), hash);
  assert.notEqual(codec.hash(token.slice(0, -1)), hash);
  assert.match(codec.hash(""), /^[0-9a-f]{64}$/);
});

test("no two tokens are equal", () => {
  const codec = joinTokenCodec(FINGERPRINT);
  const tokens = Array.from({ length: 100 }, () => codec.create().token);
  assert.equal(new Set(tokens).size, 100);
});

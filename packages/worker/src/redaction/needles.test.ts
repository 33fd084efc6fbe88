import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { describe, test } from "node:test";
import { isMaskable } from "@hodei/domain";
import fc from "fast-check";
import { needlesOf } from "./needles.ts";
import { createRedactor } from "./redactor.ts";

const redact = (secret: string | Uint8Array, text: string | Uint8Array): string => {
  const redactor = createRedactor([{ value: Buffer.from(secret) }]);
  const parts = [redactor.write("stdout", Buffer.from(text)), redactor.end("stdout")];
  return Buffer.concat(parts).toString("latin1");
};

const SECRETS: readonly string[] = [
  "hunter2-of-the-west",
  `p@ss w'ord/+"$x\\y\`z;&|<>(){}[]*?!#~^%,=:`,
  "tab\tnewline\ninside",
  "contraseña-ñandú-日本語-🔑🔑",
  "ends in spaces  ",
  "bell\x07escape\x1b[31m",
  "-----BEGIN KEY-----\nMIIEvQIBADANBgkqhkiG9w0BAQEFAASC\nBKcwggSjAgEAAoIBAQC7\n-----END KEY-----\n",
  `{"client":"my-service","key":"a/b+c=d\\nnext line of it","deep":[{"token":"tok-en-abc"}]}`,
  "long ".concat("0123456789abcdef~/+".repeat(90)),
];

const percent = (text: string): string =>
  Array.from(Buffer.from(text), (byte) =>
    /[\w.~-]/.test(String.fromCharCode(byte)) && byte < 128
      ? String.fromCharCode(byte)
      : `%${byte.toString(16).padStart(2, "0")}`,
  ).join("");

const pythonJson = (text: string): string =>
  JSON.stringify(text).replace(
    /[\u0080-\uffff]/g,
    (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );

/** How programs print a text, written apart from the code under test. */
const PRINTERS: Readonly<Record<string, (text: string) => string>> = {
  raw: (text) => text,
  "windows line ends": (text) => text.replaceAll("\n", "\r\n"),
  "JSON.stringify": (text) => JSON.stringify(text).slice(1, -1),
  "json.dumps": (text) => pythonJson(text).slice(1, -1),
  "JSON with slashes escaped": (text) => JSON.stringify(text).slice(1, -1).replaceAll("/", "\\/"),
  "JSON in JSON": (text) => JSON.stringify(JSON.stringify(text)).slice(3, -3),
  base64: (text) => Buffer.from(text).toString("base64"),
  base64url: (text) => Buffer.from(text).toString("base64url"),
  hex: (text) => Buffer.from(text).toString("hex"),
  HEX: (text) => Buffer.from(text).toString("hex").toUpperCase(),
  encodeURIComponent,
  "lower-case percent": percent,
  form: (text) => new URLSearchParams({ x: text }).toString().slice(2),
  "single quotes": (text) => text.replaceAll("'", "'\\''"),
};

describe("every form of a secret is one mask", () => {
  for (const [name, print] of Object.entries(PRINTERS)) {
    test(name, () => {
      for (const secret of SECRETS) {
        assert.equal(redact(secret, `<${print(secret.trim())}>`), "<***>", JSON.stringify(secret));
      }
    });
  }
});

describe("base64 of a longer text shows nothing of the secret but bits of its neighbours", () => {
  for (const encoding of ["base64", "base64url"] as const) {
    for (const before of [0, 1, 2, 3, 4]) {
      for (const after of [0, 1, 2, 3]) {
        test(`${encoding}, ${before} bytes before and ${after} after`, () => {
          const secret = "hunter2-of-the-west?>";
          const text = "x".repeat(before) + secret + "y".repeat(after);
          const encoded = Buffer.from(text).toString(encoding);
          const redacted = redact(secret, encoded);
          const [head = "", tail = "", ...rest] = redacted.split("***");
          assert.deepEqual(rest, []);
          assert.ok(encoded.startsWith(head) && encoded.endsWith(tail));
          assert.ok(head.length <= Math.ceil((before * 8) / 6));
          const endChar = Math.floor(((before + secret.length) * 8) / 6);
          assert.ok(tail.length <= (after === 0 ? 0 : encoded.length - endChar));
        });
      }
    }
  }
});

test("base64 in lines shows a few characters of a secret, whatever stands before it", () => {
  const secret = randomBytes(300).toString("base64");
  for (let before = 0; before < 60; before += 1) {
    for (const lineBytes of [64, 76]) {
      const text = Buffer.from("x".repeat(before) + secret + "y".repeat(7)).toString("base64");
      const lines = text.match(new RegExp(`.{1,${lineBytes}}`, "g"))?.join("\n") ?? "";
      const shown = redact(secret, lines).replaceAll(/\*{3}|\n/g, "");
      const othersBytes = Math.ceil((before * 4) / 3) + Math.ceil((7 * 4) / 3) + "==".length;
      assert.ok(shown.length <= othersBytes + 2 * 12, `${before} before: ${shown}`);
    }
  }
});

describe("what programs print", () => {
  const run = (file: string, args: readonly string[], input: string): string =>
    spawnSync(file, args, { input, env: { ...process.env, LC_ALL: "C.UTF-8" } }).stdout.toString();

  const shell: Readonly<Record<string, string>> = {
    "printf %q": `printf '%q' "$(cat)"`,
    "printf %q in the C locale": `export LC_ALL=C; printf '%q' "$(cat)"`,
    "the quoting expansion": `value=$(cat); printf '%s' "\${value@Q}"`,
    "set -x": `value=$(cat); exec 2>&1; set -x; : "$value"`,
    "declare -p": `value=$(cat); declare -p value`,
    "base64 in lines": "base64",
    "base64 in short lines": "base64 -w 64",
  };
  for (const [name, script] of Object.entries(shell)) {
    test(name, () => {
      for (const secret of SECRETS) {
        const printed = run("bash", ["-c", script], secret.trim());
        const redacted = redact(secret, printed);
        // Letters that `script` itself prints, and nothing of the secret.
        const rest = redacted.replaceAll("***", "").replace("+ : ", "").replace("+ set -x", "");
        assert.match(rest, /^(?:declare -- value=)?[$'"\\\n]*$/, `${printed}\n→ ${redacted}`);
      }
    });
  }
});

test("lines and JSON strings are masked on their own", () => {
  const pem = SECRETS[6] ?? "";
  for (const line of pem.trim().split("\n")) assert.equal(redact(pem, `> ${line}\n`), "> ***\n");
  const json = SECRETS[7] ?? "";
  assert.equal(redact(json, "my-service a/b+c=d\nnext line of it"), "*** ***");
  assert.equal(redact(json, "next line of it, tok-en-abc"), "***, ***");
  assert.equal(redact(json, Buffer.from("tok-en-abc").toString("hex")), "***");
});

test("binary values are masked raw and encoded", () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 12, maxLength: 2_500 }), (data) => {
      const value = Buffer.from(data);
      const first = value[0] ?? 0;
      const last = value.at(-1) ?? 0;
      // White space at the ends is no part of what is looked for.
      fc.pre(isMaskable(value) && first > 0x20 && last > 0x20);
      for (const text of [value.toString("base64"), value.toString("hex")]) {
        assert.equal(redact(value, text), "***");
      }
      assert.equal(redact(value, value), "***");
    }),
    { numRuns: 60 },
  );
});

test("short and plain values give no needles", () => {
  for (const value of ["", "a", "12345", "      ", "aaaaaaaaaaaaaaaaaaaaaaaaa"]) {
    assert.equal(needlesOf(Buffer.from(value)).size, 0, value);
  }
});

test("no needle is longer than what may be held back", () => {
  for (const secret of SECRETS) {
    for (const needle of needlesOf(Buffer.from(secret))) assert.ok(needle.length <= 1_024);
  }
});

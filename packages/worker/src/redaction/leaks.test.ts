import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { describe, test } from "node:test";
import { createRedactor } from "./redactor.ts";

const redact = (secret: string, text: string): string => {
  const redactor = createRedactor([{ value: Buffer.from(secret) }]);
  const parts = [redactor.write("stdout", Buffer.from(text)), redactor.end("stdout")];
  return Buffer.concat(parts).toString("latin1");
};

const TOKEN = "ghp_16C7e42F292c6912E7710c838347Ae178B4a";

describe("a token of 40 characters in base64 that is broken into lines", () => {
  for (const columns of [64, 76]) {
    test(`as a part of a longer text, at ${columns} characters`, () => {
      const worst = Array.from({ length: 120 }, (_, before) => {
        const text = `${"x".repeat(before)}${TOKEN} and what follows it`;
        const printed = text.length === 0 ? "" : Buffer.from(text).toString("base64");
        const lines = printed.match(new RegExp(`.{1,${columns}}`, "g")) ?? [];
        const shown = redact(TOKEN, `${lines.join("\n")}\n`);
        // What somebody who reads the log gets back.
        const decoded = Buffer.from(shown.replaceAll("\n", ""), "base64").toString("latin1");
        return decoded.includes(TOKEN) ? before : -1;
      }).filter((before) => before >= 0);
      assert.deepEqual(worst, [], "places at which the whole token is readable");
    });
  }

  test("as base64(1) prints a file of credentials", () => {
    const file = `machine github.com\nlogin ci-deployments\npassword ${TOKEN}\n`;
    const { stdout } = spawnSync("base64", { input: file });
    const shown = redact(TOKEN, stdout.toString());
    assert.ok(!Buffer.from(shown, "base64").toString().includes(TOKEN), shown);
  });
});

describe("a password in the address of a database", () => {
  const PASSWORD = "pa$$w@rd&1+2=x";

  test("as the URL class of Node.js and browsers prints it", () => {
    const url = new URL("postgres://db.example/app");
    url.username = "app";
    url.password = PASSWORD;
    assert.ok(!redact(PASSWORD, url.href).includes(url.password), url.href);
  });

  test("as url.URL of Go prints it", () => {
    const printed = "postgres://app:pa$$w%40rd&1+2=x@db.example/app";
    assert.ok(!redact(PASSWORD, printed).includes("pa$$w%40rd"));
  });

  test("as encodeURI prints it", () => {
    const secret = "correct&horse battery$staple";
    assert.ok(!redact(secret, encodeURI(secret)).includes("horse"));
  });
});

test("printf %q of bash quotes a tilde after = and :", () => {
  for (const secret of ["abcd=~secretvalue", "abcd:~secret value"]) {
    const { stdout } = spawnSync("bash", ["-c", 'printf %q "$1"', "bash", secret]);
    assert.ok(!redact(secret, stdout.toString()).includes("secret"), stdout.toString());
  }
});

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { findShebang, toCommand } from "./attempt-command.ts";

const script = (content: string, interpreter = "", withoutSafetyPreamble = false) =>
  ({ kind: "script", content, interpreter, args: ["a b"], withoutSafetyPreamble }) as const;

test("argv is taken as it is", () => {
  const command = toCommand({ kind: "command", argv: ["echo", "", "a b"] }, "/s");
  assert.deepEqual(command, { file: "echo", args: ["", "a b"] });
});

describe("a script", () => {
  test("is run by bash under the safety flags by default, by any path of bash too", () => {
    const args = ["-euo", "pipefail", "/s", "a b"];
    assert.deepEqual(toCommand(script("x"), "/s"), { file: "bash", args });
    assert.deepEqual(toCommand(script("x", "/opt/bash"), "/s"), { file: "/opt/bash", args });
  });

  test("without the flags if asked, or of another interpreter", () => {
    const args = ["/s", "a b"];
    assert.deepEqual(toCommand(script("x", "bash", true), "/s"), { file: "bash", args });
    assert.deepEqual(toCommand(script("x", "python3"), "/s"), { file: "python3", args });
  });

  test("with a #! line is executed itself", () => {
    const work = script("#! /usr/bin/env python3\nx", "perl");
    assert.deepEqual(toCommand(work, "/s"), { file: "/s", args: ["a b"] });
  });

  test("of an unknown interpreter is no valid spec", () => {
    assert.throws(() => toCommand(script("x", "lua"), "/s"), /"lua" is unknown: use bash, sh, /);
  });
});

test("a #! line counts at the very start only", () => {
  assert.equal(findShebang("#!/bin/sh -e\n"), "/bin/sh");
  assert.equal(findShebang("#!/bin/sh\r\n"), "/bin/sh\r");
  assert.equal(findShebang("\n#!/bin/sh"), undefined);
  assert.equal(findShebang("# !/bin/sh"), undefined);
});

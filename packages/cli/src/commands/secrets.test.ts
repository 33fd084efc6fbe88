import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { SecretService, type SetSecretRequest } from "@hodei/proto/hodei/v1/secret_service";
import { createInProcessClient, timestampFromDate } from "@hodei/sdk";
import { temporaryFolder } from "@hodei/testkit";
import { runCli } from "../run-cli.ts";
import { fakeContext } from "../testing/fake-context.ts";

const at = (iso: string) => timestampFromDate(new Date(iso));

/** A server with two secrets, which remembers what it is asked. */
async function secrets(args: readonly string[], stdin?: string | Uint8Array) {
  const set: (readonly [SetSecretRequest["name"], Buffer])[] = [];
  const deleted: string[] = [];
  const client = createInProcessClient((router) =>
    router.service(SecretService, {
      setSecret({ name, value }) {
        set.push([name, Buffer.from(value)]);
        return { secret: { name, version: 3 }, warnings: ["It is short."] };
      },
      listSecrets: () => ({
        secrets: [
          {
            name: "A",
            version: 1,
            createdAt: at("2026-01-31T07:00:00Z"),
            updatedAt: at("2026-01-31T07:00:00Z"),
          },
          {
            name: "LONG_NAME",
            version: 12,
            createdAt: at("2026-01-30T08:00:00Z"),
            updatedAt: at("2026-01-31T07:59:00Z"),
          },
        ],
      }),
      deleteSecret({ name }) {
        deleted.push(name);
        return {};
      },
    }),
  );
  const context = fakeContext(client, stdin === undefined ? {} : { stdin });
  await runCli(["secrets", ...args], context);
  const { exitCode, stdout, stderr } = context;
  return { set, deleted, exitCode, stdout: stdout.text, stderr: stderr.text };
}

test("secrets set: the value of standard input loses one line end", async () => {
  const values = [
    ["value\n", "value"],
    ["value\r\n", "value"],
    ["value", "value"],
    ["two\nlines\n\n", "two\nlines\n"],
    ["value\r", "value\r"],
  ] as const;
  for (const [stdin, value] of values) {
    const { set, stdout, stderr } = await secrets(["set", "A"], stdin);
    assert.deepEqual(set, [["A", Buffer.from(value)]]);
    assert.equal(stdout, "A version 3\n");
    assert.equal(stderr, "hodei: warning: It is short.\n");
  }
});

test("secrets set: a file is taken byte for byte", async () => {
  const file = join(temporaryFolder(), "key");
  const bytes = Buffer.from([0, 255, 10, 13, 10]);
  writeFileSync(file, bytes);
  assert.deepEqual((await secrets(["set", "A", "--from-file", file])).set, [["A", bytes]]);
});

test("secrets set: empty, long and missing values are refused", async () => {
  for (const stdin of ["", "\n", "x".repeat(65_537), `${"x".repeat(65_537)}\n`]) {
    const { set, exitCode, stderr } = await secrets(["set", "A"], stdin);
    assert.deepEqual([set, exitCode], [[], 1]);
    assert.match(stderr, /the value is|longer than/);
  }
  const longest = await secrets(["set", "A"], `${"x".repeat(65_536)}\n`);
  assert.equal(longest.set[0]?.[1].length, 65_536);
});

test("secrets set: a value on the command line is refused, and not repeated", async () => {
  const { set, exitCode, stderr } = await secrets(["set", "A=hunter2"]);
  assert.deepEqual([set, exitCode], [[], 2]);
  assert.match(stderr, /the value is read from standard input/);
  assert.ok(!stderr.includes("hunter2"));
});

test("secrets list: table and data", async () => {
  assert.equal(
    (await secrets(["list"])).stdout,
    "NAME       VERSION  SET  AGE\nA          1        1h   1h\nLONG_NAME  12       1m   1d\n",
  );
  const data = JSON.parse((await secrets(["list", "-o", "json"])).stdout);
  assert.deepEqual(
    data.map(({ name, version }: { name: string; version: number }) => [name, version]),
    [
      ["A", 1],
      ["LONG_NAME", 12],
    ],
  );
});

test("secrets rm deletes the one that is named", async () => {
  const { deleted, stdout, exitCode } = await secrets(["rm", "A"]);
  assert.deepEqual([deleted, stdout, exitCode], [["A"], "", 0]);
});

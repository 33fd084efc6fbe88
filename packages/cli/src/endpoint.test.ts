import assert from "node:assert/strict";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { temporaryFolder } from "@hodei/testkit";
import { findEndpoint } from "./endpoint.ts";

/** A home folder with a settings file and two token files. */
function home(settings?: string): string {
  const folder = temporaryFolder();
  mkdirSync(join(folder, ".config", "hodei"), { recursive: true });
  writeFileSync(join(folder, "token"), "from-flag\n");
  writeFileSync(join(folder, ".config", "hodei", "token"), " from-settings \n");
  if (settings !== undefined) {
    writeFileSync(join(folder, ".config", "hodei", "config.yaml"), settings);
  }
  return folder;
}

const SETTINGS = "server: https://settings.example/\ntokenFile: token\n";

test("without any choice there is no server: the local stack is used", async () => {
  assert.equal(await findEndpoint({}, { HOME: home() }, "/"), undefined);
});

test("flags win over the environment, and that over the settings file", async () => {
  const HOME = home(SETTINGS);
  const env = { HOME, HODEI_SERVER: "http://env.example:7400" };
  assert.deepEqual(await findEndpoint({ server: "http://flag.example" }, env, "/"), {
    url: "http://flag.example",
    token: undefined,
  });
  assert.equal((await findEndpoint({}, env, "/"))?.url, "http://env.example:7400");
  assert.deepEqual(await findEndpoint({}, { HOME }, "/"), {
    url: "https://settings.example",
    token: "from-settings",
  });
});

test("tokens: flag, then environment, then settings, which give theirs to their own server only", async () => {
  const HOME = home(SETTINGS);
  const tokenOf = async (flags: object, env: object) =>
    (await findEndpoint({ server: "http://a.example", ...flags }, { HOME, ...env }, HOME))?.token;
  const env = { HODEI_TOKEN: "from-env", HODEI_TOKEN_FILE: "token" };
  assert.equal(await tokenOf({ tokenFile: "token" }, env), "from-flag");
  assert.equal(await tokenOf({}, env), "from-env");
  assert.equal(await tokenOf({}, { HODEI_TOKEN_FILE: "token" }), "from-flag");
  assert.equal(await tokenOf({}, {}), undefined);
});

test("what makes no sense is named", async () => {
  const env = { HOME: home() };
  for (const server of ["hodei.example:7400", "localhost", "ftp://a.example", "http://"]) {
    await assert.rejects(findEndpoint({ server }, env, "/"), { name: "UsageError" }, server);
  }
  await assert.rejects(findEndpoint({ server: "http://a", tokenFile: "/missing" }, env, "/"), {
    message: "cannot read the token file /missing: no such file or directory",
  });
  const odd = { HOME: home("server: http://a\ntoken: secret\n") };
  await assert.rejects(findEndpoint({}, odd, "/"), /makes no sense: .*Unrecognized key: "token"/s);
  await assert.rejects(findEndpoint({}, { HOME: home("a: [") }, "/"), /makes no sense/);
});

test("a token that no header can carry is refused without showing it; an empty --server is no local stack", async () => {
  for (const token of ["secret-1\nsecret-2", "gehéim–"]) {
    const env = { HODEI_SERVER: "http://a", HODEI_TOKEN: token };
    await assert.rejects(findEndpoint({}, env, "/"), (error: Error) => {
      assert.equal(error.name, "CommandError");
      assert.doesNotMatch(error.message, /secret|geh/);
      return true;
    });
  }
  await assert.rejects(findEndpoint({ server: "" }, {}, "/"), { name: "UsageError" });
});

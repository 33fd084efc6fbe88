import assert from "node:assert/strict";
import { chmodSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { outcomeOf } from "@hodei/domain";
import { temporaryFolder } from "@hodei/testkit";
import { withoutRights } from "../test/without-rights.ts";
import { startProcess } from "./attempt-process.ts";

test("a program that is not found is told with the folders that could not be looked into", async () => {
  const closed = join(temporaryFolder(), "closed");
  mkdirSync(closed);
  chmodSync(closed, 0o600);
  const launch = {
    file: "no-such-tool",
    args: [],
    cwd: "/",
    env: { PATH: `/usr/bin:${closed}` },
    stdinPath: undefined,
    openFiles: 1024,
    wrapper: [],
    script: undefined,
    limits: { memoryBytes: null, cpuMillis: 1000, isCpuCapped: false, pidsMax: 64 },
  };
  const pool = { take: () => assert.fail("no shell is needed") };
  await withoutRights(() =>
    assert.rejects(startProcess(launch, [], pool), {
      outcome: outcomeOf(
        "command_not_found",
        `"no-such-tool" was not found on this worker; looked in /usr/bin, ${closed}. Its user may not look into ${closed}.`,
      ),
    }),
  );
});

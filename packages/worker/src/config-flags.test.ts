import assert from "node:assert/strict";
import { test } from "node:test";
import { loadWorkerConfig } from "./config.ts";

test("1 and 0 are yes and no for HODEI_WORKER_ALLOW_ROOT, as true and false are", () => {
  const allowRootOf = (text: string): boolean =>
    loadWorkerConfig({
      HODEI_WORKER_SERVER_URL: "https://h:1",
      HODEI_WORKER_STATE_DIR: "/tmp/x",
      HODEI_WORKER_ALLOW_ROOT: text,
    }).allowRoot;
  assert.deepEqual(["true", "1", "false", "0"].map(allowRootOf), [true, true, false, false]);
});

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { Writable } from "node:stream";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { temporaryFolder } from "@hodei/testkit";
import { streamOutput } from "./output.ts";

test("a write is over when the bytes are gone, so a slow reader holds the writer back", async () => {
  let deliver = () => {};
  const stream = new Writable({
    write(_bytes, _encoding, done) {
      deliver = done;
    },
  });
  const output = streamOutput(stream);
  let isOver = false;
  const written = output.write("a").then(() => {
    isOver = true;
  });
  await new Promise(setImmediate);
  assert.equal(isOver, false);
  deliver();
  await written;
});

test("a reader that left is told apart from other failures", async () => {
  const failing = (code: string) =>
    streamOutput(
      new Writable({
        write: (_bytes, _encoding, done) => done(Object.assign(new Error(code), { code })),
      }),
    );
  await assert.rejects(failing("EPIPE").write("a"), { name: "BrokenPipe" });
  await assert.rejects(failing("ENOSPC").write("a"), { code: "ENOSPC" });
});

test("after its reader has left, every write fails alike", async () => {
  const output = streamOutput(
    new Writable({ write: (_b, _e, done) => done(Object.assign(new Error(), { code: "EPIPE" })) }),
  );
  await assert.rejects(output.write("a"), { name: "BrokenPipe" });
  await assert.rejects(output.write("b"), { name: "BrokenPipe" });
});

test("a file that takes only a part of the bytes is a failure, not a short output", () => {
  const file = join(temporaryFolder(), "out");
  const module = fileURLToPath(new URL("output.ts", import.meta.url));
  const program = `
    const { streamOutput } = await import(${JSON.stringify(module)});
    process.on("SIGXFSZ", () => {});
    await streamOutput(process.stdout).write("x".repeat(1500)).catch(({ code }) => { process.exitCode = code === "EFBIG" ? 9 : 8; });`;
  // A limit of 1 KiB cuts a write as a full disk does: the first takes a part, the next fails.
  const script = 'ulimit -f 1; "$0" --input-type=module -e "$1" > "$2"';
  const { status, stderr } = spawnSync("bash", ["-c", script, process.execPath, program, file], {
    encoding: "utf8",
  });
  assert.equal(status, 9, stderr);
  assert.equal(readFileSync(file).length, 1024);
});

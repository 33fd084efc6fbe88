import assert from "node:assert/strict";
import { Writable } from "node:stream";
import { test } from "node:test";
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

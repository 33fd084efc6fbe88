import assert from "node:assert/strict";
import { mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { copyRuntime } from "./copy-runtime.ts";
import type { NativePackage } from "./native-package.ts";

let base: string;
let native: NativePackage;
before(async () => {
  base = await mkdtemp(join(tmpdir(), "hodei-copy-"));
  const folder = join(base, "native");
  await mkdir(join(folder, "bin"), { recursive: true });
  await mkdir(join(folder, "lib", "postgresql"), { recursive: true });
  await writeFile(join(folder, "bin", "postgres"), "program", { mode: 0o700 });
  await writeFile(join(folder, "lib", "libpq.so.5.18"), "library", { mode: 0o600 });
  await writeFile(join(folder, "lib", "postgresql", "plpgsql.so"), "module");
  const links = [{ path: "lib/libpq.so.5", target: "libpq.so.5.18" }];
  native = { folder, version: "18.4.0", majorVersion: 18, links };
});
after(() => rm(base, { recursive: true, force: true }));

test("several at once leave one complete copy that everybody can read, and nothing else", async () => {
  const target = await mkdtemp(join(base, "target-"));
  const folder = join(target, "runtime");
  await Promise.all(Array.from({ length: 5 }, () => copyRuntime(native, folder)));

  assert.deepEqual(await readdir(target), ["runtime"]);
  assert.equal(await readFile(join(folder, "lib", "libpq.so.5"), "utf8"), "library");
  assert.equal(await readFile(join(folder, "lib", "postgresql", "plpgsql.so"), "utf8"), "module");
  const modeOf = async (path: string) => (await stat(join(folder, path))).mode & 0o777;
  assert.equal(await modeOf("."), 0o755);
  assert.equal(await modeOf("bin"), 0o755);
  assert.equal(await modeOf("bin/postgres"), 0o755);
  assert.equal(await modeOf("lib/libpq.so.5.18"), 0o644);
});

test("a copy that fails leaves nothing behind", async () => {
  const target = await mkdtemp(join(base, "target-"));
  const lost = { ...native, folder: join(base, "no-such-folder") };
  await assert.rejects(copyRuntime(lost, join(target, "runtime")), { code: "ENOENT" });
  assert.deepEqual(await readdir(target), []);
});

test("a package whose links are there already is copied with them", async () => {
  const target = await mkdtemp(join(base, "target-"));
  await copyRuntime(native, join(target, "first"));
  const hydrated = { ...native, folder: join(target, "first") };
  await copyRuntime(hydrated, join(target, "second"));
  assert.equal(await readFile(join(target, "second", "lib", "libpq.so.5"), "utf8"), "library");
});

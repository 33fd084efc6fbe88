import assert from "node:assert/strict";
import { mkdir, mkdtemp, readdir, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, beforeEach, test } from "node:test";
import type { DataPlace } from "./data-place.ts";
import { isRoot } from "./database-user.ts";
import type { NativePackage } from "./native-package.ts";
import { prepareRuntime, removeOldRuntimes } from "./runtime.ts";

let base: string;
let native: NativePackage;
let place: DataPlace;
const folders: string[] = [];

beforeEach(async () => {
  base = await mkdtemp(join(tmpdir(), "hodei-runtime-"));
  folders.push(base);
  const folder = join(base, "native");
  await mkdir(join(folder, "bin"), { recursive: true });
  await mkdir(join(folder, "lib"));
  await writeFile(join(folder, "bin", "initdb"), "", { mode: 0o755 });
  await writeFile(join(folder, "bin", "postgres"), "", { mode: 0o755 });
  await writeFile(join(folder, "lib", "libpq.so.5.18"), "");
  const links = [{ path: "lib/libpq.so.5", target: "libpq.so.5.18" }];
  native = { folder, version: "18.4.0", majorVersion: 18, links };
  const home = join(base, "home");
  await mkdir(home);
  place = { dataDir: home, home, pgdata: "", socketFolder: "", runAs: null };
});
after(() => Promise.all(folders.map((folder) => rm(folder, { recursive: true, force: true }))));

test("copies of other versions go, the one in use stays", async () => {
  for (const name of ["runtime-17.0.0", "runtime-18.4.0", "pgdata"]) {
    await mkdir(join(place.home, name, "bin"), { recursive: true });
  }
  const bin = join(place.home, "runtime-18.4.0", "bin");
  const runtime = { initdb: join(bin, "initdb"), postgres: join(bin, "postgres") };
  await removeOldRuntimes(place.home, runtime);
  assert.deepEqual((await readdir(place.home)).sort(), ["pgdata", "runtime-18.4.0"]);
});

// Root never runs the package itself; its tests run this file again as an ordinary user.
if (!isRoot()) {
  test("a complete package is used where it is", async () => {
    await symlink("libpq.so.5.18", join(native.folder, "lib", "libpq.so.5"));
    const runtime = await prepareRuntime(native, place, ({ message }) => assert.fail(message));
    assert.equal(runtime.postgres, join(native.folder, "bin", "postgres"));
    assert.deepEqual(await readdir(place.home), []);
  });

  test("a package without its links is copied once", async () => {
    const events: string[] = [];
    const log = (entry: { event: string }) => void events.push(entry.event);
    const first = await prepareRuntime(native, place, log);
    assert.equal(first.postgres, join(place.home, "runtime-18.4.0", "bin", "postgres"));
    assert.deepEqual(await prepareRuntime(native, place, log), first);
    assert.deepEqual(events, ["postgres_runtime_installed"]);
  });
}

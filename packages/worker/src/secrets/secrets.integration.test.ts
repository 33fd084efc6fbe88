import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, suite, test } from "node:test";
import type { SecretForm } from "@hodei/domain";
import { waitFor } from "@hodei/testkit";
import { pino } from "pino";
import { AttemptFixture, specOf } from "../../test/attempt-fixture.ts";
import { holdStateDirectory } from "../state-directory.ts";
import type { AttemptSecret } from "./deliver-secrets.ts";
import { MemoryFolders } from "./memory-folders.ts";

const VALUE = "correct horse battery staple";
const BASE64 = Buffer.from(VALUE).toString("base64");

let fixture: AttemptFixture;
before(async () => {
  fixture = await AttemptFixture.create({ PATH: process.env.PATH });
});
after(() => fixture.remove());

const secret = (name: string, text: string, form: SecretForm = "env"): AttemptSecret => ({
  name,
  form,
  value: Buffer.from(text),
});

const run = (script: string, ...secrets: AttemptSecret[]) =>
  fixture.run(specOf(script, { secrets }));

const text = ({ stdout }: { readonly stdout: Buffer }): string => stdout.toString();

suite("a secret as a variable", () => {
  test("reaches scripts and commands, and stands in no argument", async () => {
    const inScript = await run('test "$A" = "$B$C" && echo same', ...triple());
    assert.equal(text(inScript), "same\n");
    const argv = ["sh", "-c", 'test "$A" = "$B$C" && tr "\\0" " " < /proc/$$/cmdline'];
    const inCommand = await fixture.run(specOf(argv, { secrets: triple() }));
    assert.equal(text(inCommand), `${argv.join(" ")} `);
  });

  test("leaves standard input, the script's name and its arguments alone", async () => {
    const work = {
      kind: "script",
      content: 'cat; echo "$# $1"; basename "$0"',
      interpreter: "",
      args: ["a b"],
      withoutSafetyPreamble: false,
    } as const;
    const stdin = Buffer.from("input\n");
    const { stdout, outcome } = await fixture.run(
      specOf(work, { stdin, secrets: [secret("A", VALUE)] }),
    );
    assert.equal(outcome.reason, "completed");
    assert.equal(stdout.toString(), "input\n1 a b\nscript\n");
  });

  test("is zeroed once the process has it", async () => {
    const given = secret("A", VALUE);
    await run("true", given);
    assert.deepEqual(given.value, Buffer.alloc(VALUE.length));
  });

  test("turns core dumps off", async () => {
    assert.equal(text(await run("ulimit -c; ulimit -Hc", secret("A", VALUE))), "0\n0\n");
  });

  test("cannot hold a NUL byte", async () => {
    const { outcome } = await run("echo ran", secret("A", "a\0b"));
    assert.equal(outcome.reason, "secret_unavailable");
    assert.match(outcome.message, /secret A has a NUL byte/);
  });

  test("cannot be longer than the system takes", async () => {
    const value = Buffer.alloc(131_072 - "A=".length, "long secret ");
    const { outcome } = await fixture.run(
      specOf(["true"], { secrets: [{ name: "A", form: "env", value }] }),
    );
    assert.equal(outcome.reason, "secret_unavailable");
    assert.match(outcome.message, /secret A is longer than any variable can hold.*as a file/);
  });

  test("that the server did not send ends the attempt before it runs", async () => {
    const { outcome, output } = await run("echo ran", { name: "A", form: "env", value: null });
    assert.equal(outcome.reason, "secret_unavailable");
    assert.equal(output.length, 0);
  });

  test("does not change why a program cannot be started", async () => {
    const start = (argv: string[]) => fixture.run(specOf(argv, { secrets: [secret("A", VALUE)] }));
    assert.equal((await start(["no-such-program"])).outcome.reason, "command_not_found");
    assert.equal((await start(["/no/such/program"])).outcome.reason, "command_not_found");
    assert.equal((await start(["/etc/passwd"])).outcome.reason, "permission_denied");
    assert.equal((await start(["/etc"])).outcome.reason, "permission_denied");
    const missing = await run("#!/no/such/shell\n", secret("A", VALUE));
    assert.equal(missing.outcome.reason, "command_not_found");
    assert.match(missing.outcome.message, /interpreter "\/no\/such\/shell"/);
    assert.equal((await start(["sh", "-c", "exit 127"])).outcome.reason, "non_zero_exit");
  });
});

suite("a secret as a file", () => {
  test("lies in memory, for its owner to read, and is gone after the end", async () => {
    const script =
      'stat -c "%a %n" "$A_FILE"; stat -c %a "$HODEI_SECRETS_DIR"; stat -f -c %T "$A_FILE"; cmp "$A_FILE" <(printf "$B") && echo same';
    const finished = await run(script, secret("A", VALUE, "file"), secret("B", VALUE));
    const [file = "", folder, type, same] = text(finished).split("\n");
    assert.match(file, /^400 \/dev\/shm\/.*\/hodei-secrets-\d+-[0-9a-f]{64}-\w+\/A$/);
    assert.deepEqual([folder, type, same], ["700", "tmpfs", "same"]);
    await assert.rejects(readdir(file.slice(4).replace(/\/A$/, "")), { code: "ENOENT" });
  });

  test("may hold any bytes", async () => {
    const all = Uint8Array.from({ length: 256 }, (_, index) => index);
    const spec = specOf('od -An -v -tu1 "$A_FILE" | tr -s " \\n" " "', {
      secrets: [{ name: "A", form: "file", value: all.slice() }],
    });
    assert.equal(text(await fixture.run(spec)).trim(), all.join(" "));
  });

  test("is gone also when the attempt is ended, or took its rights away", async () => {
    const spec = specOf('chmod 0 "$HODEI_SECRETS_DIR"; echo "$HODEI_SECRETS_DIR"; sleep 60', {
      secrets: [secret("A", VALUE, "file")],
    });
    const { run: attempt, text: written, finished } = fixture.start(spec);
    const path = await waitFor(() => /^(.+)\n/.exec(written())?.[1], { timeoutMs: 10_000 });
    attempt.kill();
    await finished;
    await assert.rejects(readdir(path), { code: "ENOENT" });
  });

  test("is refused where there is no memory to put it", async () => {
    const other = await AttemptFixture.create({ PATH: process.env.PATH }, { memory: tmpdir() });
    try {
      const secrets = [secret("A", VALUE, "file")];
      const { outcome } = await other.run(specOf("echo ran", { secrets }));
      assert.equal(outcome.reason, "secret_unavailable");
      assert.match(outcome.message, /no folder in memory/);
    } finally {
      await other.remove();
    }
  });

  test("that a killed worker left is removed by the next one, those of workers that run are not", async () => {
    const memory = await mkdtemp("/dev/shm/hodei-worker-test-");
    const roots = [join(memory, "not-there"), memory];
    const stateDirs = await Promise.all([1, 2, 3].map(() => mkdtemp(join(tmpdir(), "hodei-"))));
    const [own = "", , alive = ""] = stateDirs;
    const lock = await holdStateDirectory({ log: pino({ level: "silent" }) }, alive);
    const workers = await Promise.all(stateDirs.map((path) => MemoryFolders.open(path, roots)));
    const secrets = [{ name: "A", value: Buffer.from("x") }];
    const left = await Promise.all(workers.map((worker) => worker.create(secrets)));
    const areLeft = () => left.map((path) => existsSync(join(path, "A")));
    assert.deepEqual(areLeft(), [true, true, true]);
    await MemoryFolders.open(own, roots);
    assert.deepEqual(areLeft(), [false, false, true]);
    await lock.release();
    await MemoryFolders.open(own, roots);
    assert.deepEqual(areLeft(), [false, false, false]);
    for (const path of [memory, ...stateDirs]) await rm(path, { recursive: true });
  });
});

suite("what an attempt with secrets says", () => {
  test("has no secret in either stream, raw, encoded or in pieces", async () => {
    const { stdout, stderr } = await run(
      `printf '%s\\n' "$A"; printf %s "$A" | base64 >&2; for ((i = 0; i < \${#A}; i++)); do
         printf %s "\${A:i:1}"; sleep 0.01
       done; printf '\\n%s' "\${A:0:20}"`,
      secret("A", VALUE),
    );
    assert.equal(stdout.toString(), "***\n***\n***");
    assert.ok(!stderr.includes(BASE64.slice(0, 12)), stderr.toString());
  });

  test("has no secret in the message of its outcome", async () => {
    const { outcome } = await fixture.run(
      specOf([`/no/${VALUE}`], { secrets: [secret("A", VALUE)] }),
    );
    assert.equal(outcome.reason, "command_not_found");
    assert.equal(outcome.message, '"/no/***" does not exist on this worker.');
  });

  test("comes whole, masks aside", async () => {
    const { stdout } = await run("seq 1 20000; echo $A; seq 1 20000", secret("A", "12345678901"));
    const numbers = Array.from({ length: 20_000 }, (_, index) => `${index + 1}\n`).join("");
    assert.equal(stdout.toString(), `${numbers}***\n${numbers}`);
  });
});

suite("outside of the attempt", () => {
  test("no process of the worker has a secret in its environment or arguments, and no file on disk", async () => {
    const spec = specOf('echo "$$ $PPID"; sleep 60', {
      secrets: [secret("A", VALUE), secret("B", VALUE, "file")],
    });
    const { run: attempt, text: written, finished } = fixture.start(spec);
    const pids = await waitFor(() => /^(\d+) (\d+)\n/.exec(written())?.slice(1), {
      timeoutMs: 10_000,
    });
    const [own = "", parent = ""] = pids;
    assert.equal(parent, `${process.pid}`);
    const seen = async (pid: string, name: string) => readFile(`/proc/${pid}/${name}`, "latin1");
    for (const name of ["environ", "cmdline"]) {
      assert.ok(!(await seen(parent, name)).includes(VALUE), `${name} of the parent`);
    }
    assert.ok(!(await seen(own, "cmdline")).includes(VALUE));
    // Bound to happen: an environment can be read by the user whose process it is.
    assert.ok((await seen(own, "environ")).includes(`A=${VALUE}`));
    for (const file of await readdir(fixture.root, { recursive: true, withFileTypes: true })) {
      if (!file.isFile()) continue;
      const content = await readFile(join(file.parentPath, file.name));
      assert.ok(!content.includes(VALUE), file.name);
    }
    attempt.kill();
    await finished;
  });
});

/** A value in one variable, and the same in two parts, which no redaction can know. */
function triple(): AttemptSecret[] {
  return [secret("A", "one'\n\"$two"), secret("B", "one'\n"), secret("C", '"$two')];
}

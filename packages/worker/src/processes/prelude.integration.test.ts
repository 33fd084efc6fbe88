import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import type { Duplex } from "node:stream";
import { buffer } from "node:stream/consumers";
import { suite, test } from "node:test";
import fc from "fast-check";
import { PRELUDE_FD, preludeCommand, preludeInput, READY, type Variable } from "./prelude.ts";

type Variables = readonly Variable[];

/** What `/bin/sh` may be, as far as it is installed here. */
const SHELLS = [["/bin/dash"], ["/bin/bash", "--posix"], ["/bin/busybox", "sh"]].filter(
  ([program = ""]) => existsSync(program),
);

async function output(
  [program = "", ...flags]: readonly string[],
  variables: Variables,
  command: readonly [string, ...string[]],
  env: Record<string, string> = {},
): Promise<Buffer> {
  const [file, ...rest] = command;
  const { args } = preludeCommand([]);
  const child = spawn(program, [...flags, ...args], {
    env: {},
    stdio: ["ignore", "pipe", "inherit", "pipe"],
  });
  const socket = child.stdio[PRELUDE_FD] as Duplex;
  const [said] = await once(socket, "data");
  assert.equal(String(said), READY);
  const become = {
    file,
    args: rest,
    cwd: "/tmp",
    env,
    stdinPath: undefined,
    openFiles: 1024,
    wrapper: [],
  };
  socket.end(preludeInput(become, variables));
  assert.ok(child.stdout);
  return buffer(child.stdout);
}

/** What a command behind the prelude has in its environment. */
async function environment(
  shell: readonly string[],
  variables: Variables,
  env: Record<string, string> = {},
): Promise<Map<string, string>> {
  const text = (await output(shell, variables, ["/usr/bin/env", "-0"], env)).toString("latin1");
  const entries = text.split("\0").slice(0, -1);
  return new Map(
    entries.map((entry) => [
      entry.slice(0, entry.indexOf("=")),
      entry.slice(entry.indexOf("=") + 1),
    ]),
  );
}

/** 64 bytes. */
const LINE = `${"x".repeat(63)}\n`;

const latin1 = (bytes: Uint8Array): string => Buffer.from(bytes).toString("latin1");

for (const shell of SHELLS) {
  suite(`the prelude in ${shell.join(" ")}`, () => {
    test("hands on every byte but NUL, in any order, in any locale", async () => {
      const all = Uint8Array.from({ length: 255 }, (_, index) => index + 1);
      for (const LC_ALL of ["C", "C.UTF-8"]) {
        const found = await environment(
          shell,
          [
            { name: "UP", value: all },
            { name: "DOWN", value: all.toReversed() },
            { name: "LINES", value: Buffer.from("\n\na\n\n") },
            { name: "CODE", value: Buffer.from(`'\\''"$(exit 1)\`exit 1\`$HOME\\`) },
            { name: "LONG", value: Buffer.alloc(65_536, LINE) },
          ],
          { LC_ALL },
        );
        assert.equal(found.get("UP"), latin1(all));
        assert.equal(found.get("DOWN"), latin1(all.toReversed()));
        assert.equal(found.get("LINES"), "\n\na\n\n");
        assert.equal(found.get("CODE"), `'\\''"$(exit 1)\`exit 1\`$HOME\\`);
        assert.equal(found.get("LONG"), LINE.repeat(1_024));
      }
    });

    test("hands on whatever it is given", async () => {
      const anyByte = fc.oneof(
        fc.constantFrom(...Buffer.from(`'"\\\n\r\t $\`#&;|<>(){}*?[]~!`)),
        fc.integer({ min: 1, max: 255 }),
      );
      const anyValue = fc.array(anyByte, { minLength: 1, maxLength: 60 });
      const anyVariables = fc.array(anyValue, { maxLength: 5 });
      await fc.assert(
        fc.asyncProperty(anyVariables, async (values) => {
          const variables = values.map((value, index) => ({
            name: `V${index}`,
            value: Uint8Array.from(value),
          }));
          const found = await environment(shell, variables);
          for (const { name, value } of variables) assert.equal(found.get(name), latin1(value));
        }),
        { numRuns: 40 },
      );
    });

    test("leaves nothing of its own to the command, and no core dump", async () => {
      const found = await environment(shell, [{ name: "A", value: Buffer.from("1") }], {
        KEPT: "yes",
      });
      assert.equal(found.get("KEPT"), "yes");
      assert.deepEqual(
        [...found.keys()].filter((name) => name.startsWith("HODEI_")),
        [],
      );
      const script = "ulimit -Hc; ulimit -Sc; test -e /proc/self/fd/3 || echo closed";
      const text = await output(shell, [], ["/bin/sh", "-c", script]);
      assert.equal(text.toString(), "0\n0\nclosed\n");
    });

    test("hands on variables that the shell has for itself", async () => {
      const env = {
        IFS: "x",
        OPTIND: "many",
        UID: "me",
        PS4: "$(exit)",
        SHLVL: "9",
        BASH_ENV: "/x",
      };
      const found = await environment(shell, [], { ...env, PATH: "/usr/bin", OLDPWD: "/there" });
      for (const [name, value] of Object.entries(env)) assert.equal(found.get(name), value, name);
      assert.equal(found.get("OLDPWD"), "/there");
    });

    test("starts nothing when it is not told all of it", async () => {
      const command = {
        file: "echo",
        args: ["started"],
        cwd: "/",
        env: {},
        stdinPath: undefined,
        openFiles: 1024,
        wrapper: [],
      };
      const input = preludeInput(command, []);
      for (const length of [0, 10, input.length - 1]) {
        const child = spawn(shell[0] ?? "", [...shell.slice(1), ...preludeCommand([]).args], {
          stdio: ["ignore", "pipe", "ignore", "pipe"],
        });
        (child.stdio[PRELUDE_FD] as Duplex).resume().end(input.subarray(0, length));
        assert.ok(child.stdout);
        const [text, [code]] = await Promise.all([buffer(child.stdout), once(child, "exit")]);
        assert.equal(text.toString(), "");
        assert.equal(code, 125);
      }
    });

    test("passes arguments on as they are", async () => {
      const args = ["", " ", "a b", "'", "-n", "$HOME", "\n"];
      const text = await output(shell, [], ["/usr/bin/printf", "[%s]", ...args]);
      assert.equal(text.toString(), args.map((arg) => `[${arg}]`).join(""));
    });
  });
}

#!/bin/sh
// 2>/dev/null; exec node -- "$0" "$@"
// Starts the command line. For the shell, the line above is the program; `//` is a command that fails. Node.js alone
// would take `--env-file` of our arguments for its own, because no `--` stands in front of them. For Node.js this is
// plain JavaScript that any version can read, so that an old one gets a clear message.
const [major, minor] = process.versions.node.split(".").map(Number);
if (major < 22 || (major === 22 && minor < 18)) {
  process.stderr.write(
    `hodei: Node.js ${process.versions.node} is too old; install version 22.18 or later (https://nodejs.org)\n`,
  );
  process.exit(1);
}

const { existsSync } = await import("node:fs");
const { enableCompileCache, registerHooks } = await import("node:module");
enableCompileCache();

const source = new URL("../src/main.ts", import.meta.url);
const isCheckout = existsSync(source);
if (isCheckout) {
  // A checkout runs its TypeScript as it stands: our packages resolve to their sources.
  registerHooks({
    resolve(specifier, context, nextResolve) {
      if (!specifier.startsWith("@hodei/")) return nextResolve(specifier, context);
      const conditions = [...context.conditions, "@hodei/source"];
      return nextResolve(specifier, { ...context, conditions });
    },
  });
}
const { main } = await import(isCheckout ? source.href : "../dist/main.js");
await main();

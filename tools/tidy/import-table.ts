import type { Finding, SourceFile } from "./source.ts";
import { resolveImport, type Workspaces } from "./workspace.ts";

/** A part of the system that has rules of its own about what it may import. */
interface Layer {
  readonly name: string;
  /** Folder or file; the longest that fits a path wins. */
  readonly at: string;
  /** Names of other layers it may import. Its own files it always may. */
  readonly ours: readonly string[];
  /** Packages from outside, by prefix. */
  readonly outside: readonly string[];
}

const CONNECT = ["@connectrpc/", "@bufbuild/protobuf"];
const SERVER_PARTS = ["server/application", "server/infrastructure", "server/interface"];

/** Who may import whom: the table of the style guide, one line per layer. */
// biome-ignore format: a table reads better in columns
const LAYERS: readonly Layer[] = [
  { name: "proto", at: "packages/proto/src/", ours: [], outside: ["@bufbuild/protobuf"] },
  { name: "domain", at: "packages/domain/src/", ours: [], outside: [] },
  { name: "providers", at: "packages/providers/src/", ours: ["domain"], outside: ["node:"] },
  { name: "worker", at: "packages/worker/src/", ours: ["domain", "proto"], outside: ["node:", ...CONNECT, "pino", "zod"] },
  { name: "server/application", at: "packages/server/src/application/", ours: ["domain"], outside: [] },
  { name: "server/infrastructure", at: "packages/server/src/infrastructure/", ours: ["domain"], outside: ["node:", "pg", "node-pg-migrate", "@peculiar/x509", "pino"] },
  { name: "server/interface", at: "packages/server/src/interface/", ours: ["server/application", "domain", "proto"], outside: ["node:", ...CONNECT, "@bufbuild/protovalidate"] },
  { name: "server", at: "packages/server/src/", ours: [...SERVER_PARTS, "domain", "proto", "providers"], outside: ["node:", ...CONNECT, "pino", "zod"] },
  { name: "sdk", at: "packages/sdk/src/", ours: ["proto"], outside: ["node:", ...CONNECT] },
  { name: "cli", at: "packages/cli/", ours: ["cli/local-stack", "cli/server", "cli/worker", "cli/dev", "sdk", "proto"], outside: ["node:", ...CONNECT, "commander", "yaml", "zod"] },
  { name: "cli/local-stack", at: "packages/cli/src/local-stack/", ours: ["cli", "sdk", "proto", "server", "worker"], outside: ["node:", "zod"] },
  { name: "cli/server", at: "packages/cli/src/commands/server.ts", ours: ["cli", "server"], outside: ["node:", "commander"] },
  { name: "cli/worker", at: "packages/cli/src/commands/worker.ts", ours: ["cli", "worker"], outside: ["node:", "commander"] },
  { name: "cli/dev", at: "packages/cli/src/commands/dev.ts", ours: ["cli", "cli/local-stack", "server", "worker"], outside: ["node:", "commander"] },
  { name: "testkit", at: "packages/testkit/src/", ours: ["domain", "proto", "worker", ...SERVER_PARTS, "server"], outside: ["node:", "fast-check", "pg"] },
  { name: "simulator", at: "packages/simulator/src/", ours: ["domain", "proto", "worker", "testkit", ...SERVER_PARTS, "server"], outside: ["node:"] },
];

/** What test files may import on top of what any layer of their package may. */
const FOR_TESTS = { ours: ["testkit"], outside: ["node:", "fast-check"] };

/** Imports that the table does not allow, and paths into packages that bypass their `exports`. */
export function checkImportTable(
  sources: readonly SourceFile[],
  workspaces: Workspaces,
): Finding[] {
  return sources.flatMap((source) =>
    source.imports.flatMap(({ specifier, line }) => {
      const target = resolveImport(workspaces, source.path, specifier);
      const message = isOurs(specifier)
        ? judgeOurs(source, specifier, target)
        : judgeOutside(source, specifier);
      return message === undefined ? [] : [{ path: source.path, line, message }];
    }),
  );
}

function judgeOurs(source: SourceFile, specifier: string, target: string | undefined) {
  if (target === undefined) return `${specifier} is not in the package's exports`;
  if (specifier.startsWith(".") && packageOf(target) !== packageOf(source.path)) {
    return `${specifier} leaves the package: import it by its name`;
  }
  const from = layerOf(source.path);
  const to = layerOf(target);
  if (from === undefined || to === undefined || from === to) return undefined;
  if (source.isTest && packageOf(target) === packageOf(source.path)) return undefined;
  return allowed(source, from, "ours").includes(to.name)
    ? undefined
    : `${from.name} may not import ${to.name}`;
}

function judgeOutside(source: SourceFile, specifier: string): string | undefined {
  const layer = layerOf(source.path);
  if (layer === undefined) return undefined;
  return allowed(source, layer, "outside").some((prefix) => isWithin(specifier, prefix))
    ? undefined
    : `${layer.name} may not import ${specifier}`;
}

/** What the file may import; a test joins the layers of its package, so it may use what any of them uses. */
function allowed(source: SourceFile, layer: Layer, kind: "ours" | "outside"): readonly string[] {
  if (!source.isTest) return layer[kind];
  const siblings = LAYERS.filter(({ at }) => packageOf(at) === packageOf(source.path));
  return [...siblings.flatMap((sibling) => sibling[kind]), ...FOR_TESTS[kind]];
}

function layerOf(path: string): Layer | undefined {
  const layers = LAYERS.filter(({ at }) => path.startsWith(at));
  return layers.sort((a, b) => b.at.length - a.at.length)[0];
}

/** `packages/domain` for a file in it; empty for tools, examples and tests outside of packages, which are one. */
function packageOf(path: string): string {
  const [first = "", second = ""] = path.split("/");
  return first === "packages" ? `${first}/${second}` : "";
}

const isOurs = (specifier: string): boolean => /^\.|^@hodei\//.test(specifier);

/** `pg` allows `pg` and `pg/x`, not `pgx`; a prefix that ends in `/` or `:` allows what follows it. */
function isWithin(specifier: string, prefix: string): boolean {
  if (/[/:]$/.test(prefix)) return specifier.startsWith(prefix);
  return specifier === prefix || specifier.startsWith(`${prefix}/`);
}

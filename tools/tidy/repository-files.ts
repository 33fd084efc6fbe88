import { existsSync } from "node:fs";
import { glob, readFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import type { Document, RepositoryFacts } from "./documents.ts";
import { parseSource, type SourceFile } from "./source.ts";
import { entryPoints, type Manifest, type Workspaces } from "./workspace.ts";

const SOURCES = [
  "packages/*/{src,bin,test}/**/*.{ts,tsx,mjs}",
  "{tools,examples,e2e}/**/*.{ts,tsx,mjs}",
];
const OTHER_CODE = ["packages/*/{proto,migrations}/**/*.{proto,sql}", "*.json", ".ci/*"];
const NOT_OURS = ["**/node_modules/**", "**/dist/**", "packages/proto/src/gen/**"];
const DOCUMENTS = ["*.md", "docs/**/*.md", "packages/*/*.md", "examples/**/*.md", "deploy/**/*.md"];

/** What the rules look at, read once. */
export interface RepositoryFiles {
  readonly sources: readonly SourceFile[];
  readonly documents: readonly Document[];
  readonly workspaces: Workspaces;
  /** What documents are compared with. */
  readonly facts: RepositoryFacts;
  /** Files that npm, a package's user or the machine starts. */
  readonly entries: ReadonlySet<string>;
}

export async function readRepository(root: string): Promise<RepositoryFiles> {
  const { scripts } = await readJson<{ scripts: Record<string, string> }>(
    join(root, "package.json"),
  );
  const workspaces = new Map<string, Manifest>();
  for (const path of await find(root, ["packages/*/package.json"])) {
    workspaces.set(dirname(path), await readJson<Manifest>(join(root, path)));
  }
  const started = Object.values(scripts).flatMap(
    (command) => command.match(/\S+\.(?:ts|mjs)/g) ?? [],
  );
  const sources = await read(root, SOURCES, parseSource);
  return {
    sources,
    documents: await read(root, DOCUMENTS, (path, text) => ({ path, text })),
    workspaces,
    facts: {
      ...commandFacts(sources),
      scripts: new Set(Object.keys(scripts)),
      hasPath: (path) => existsSync(join(root, path)),
      hasWord: await findWords(root, sources),
    },
    entries: new Set([...entryPoints(workspaces), ...started]),
  };
}

/** Commands and flags of the CLI, read from its table and the files of its commands. */
function commandFacts(
  sources: readonly SourceFile[],
): Pick<RepositoryFacts, "findCommand" | "hasFlag"> {
  const cli = sources.filter(({ path, isTest }) => path.startsWith("packages/cli/src/") && !isTest);
  const table = cli.find(({ path }) => path === "packages/cli/src/commands.ts")?.text ?? "";
  const names = new Set([...table.matchAll(/\bname: "([a-z-]+)"/g)].map(([, name]) => name));
  const flags = new Set(cli.flatMap(({ text }) => text.match(/--[a-z][a-z-]*/g) ?? []));
  return {
    hasFlag: (flag) => flag === "--help" || flags.has(flag),
    findCommand: (name) => {
      if (!names.has(name)) return undefined;
      const own = cli.filter(({ path }) => path.startsWith(`packages/cli/src/commands/${name}`));
      const hasInner = own.some(({ code }) => code.includes(".command("));
      return {
        accepts: (word) => !hasInner || own.some(({ text }) => text.includes(`"${word}"`)),
      };
    },
  };
}

/** Tells whether a word stands in a source, the contract or a migration. */
async function findWords(
  root: string,
  sources: readonly SourceFile[],
): Promise<(word: string) => boolean> {
  const others = await read(root, OTHER_CODE, (_, text) => text);
  const texts = [...sources.filter(({ isTest }) => !isTest).map(({ text }) => text), ...others];
  const words = new Set(texts.flatMap((text) => text.match(/\w+/g) ?? []));
  return (word) => words.has(word);
}

async function read<T>(
  root: string,
  patterns: readonly string[],
  parse: (path: string, text: string) => T,
): Promise<T[]> {
  const paths = await find(root, patterns);
  return Promise.all(
    paths.map(async (path) => parse(path, await readFile(join(root, path), "utf8"))),
  );
}

async function find(root: string, patterns: readonly string[]): Promise<string[]> {
  const paths: string[] = [];
  for await (const path of glob([...patterns], { cwd: root, exclude: NOT_OURS })) paths.push(path);
  return paths.sort();
}

async function readJson<T>(path: string): Promise<T> {
  return JSON.parse(await readFile(path, "utf8"));
}

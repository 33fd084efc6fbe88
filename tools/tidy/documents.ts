import { posix } from "node:path";
import { type MarkdownPieces, type Piece, parseMarkdown } from "./markdown.ts";
import type { Finding } from "./source.ts";

/** A text for people, with its path from the checkout. */
export interface Document {
  readonly path: string;
  readonly text: string;
}

/** What is true of the repository, for comparing with what its documents say. */
export interface RepositoryFacts {
  /** Names of the npm scripts. */
  readonly scripts: ReadonlySet<string>;
  /** Commands of the CLI; `undefined` for a word that is none. */
  readonly findCommand: (name: string) => CommandFacts | undefined;
  /** True when the CLI knows the flag, written with its dashes. */
  readonly hasFlag: (flag: string) => boolean;
  /** True when a file or folder exists; the path is from the checkout. */
  readonly hasPath: (path: string) => boolean;
  /** True when some source, contract or migration contains the word. */
  readonly hasWord: (word: string) => boolean;
}

export interface CommandFacts {
  /** True when the command has a command of this name inside; always, when it has none and takes arguments. */
  readonly accepts: (word: string) => boolean;
}

/** Folders whose files are named in documents from the checkout's root. */
const ROOTED = /^(?:packages|tools|docs|examples|e2e|deploy|\.ci)\/[\w./-]*$/;
/** Looks like a name in code: has a capital or an underscore inside. Dots lead to members. */
const SYMBOL = /^[A-Za-z]\w*(?:\.[A-Za-z]\w*)*(?:\(.*\))?$/;
const INNER_MARK = /[a-z][A-Z]|\w_\w/;

/**
 * Commands, scripts, files, links and symbols that documents name and the repository does not have.
 *
 * Records of the past may speak of what is gone: in the change log and in decision records, only links are checked.
 */
export function checkDocuments(documents: readonly Document[], facts: RepositoryFacts): Finding[] {
  return documents.flatMap(({ path, text }) => {
    const pieces = parseMarkdown(text);
    const isRecord = path === "CHANGELOG.md" || path.startsWith("docs/adr/");
    const problems = isRecord ? [] : [...checkCode(pieces, facts), ...checkNames(pieces, facts)];
    const links = checkLinks(path, pieces.links, facts);
    return [...problems, ...links].map((problem) => ({ path, ...problem }));
  });
}

type Problem = Omit<Finding, "path">;

/** Commands and scripts, in sentences and in blocks. */
function checkCode({ spans, blockLines }: MarkdownPieces, facts: RepositoryFacts): Problem[] {
  return [...spans, ...blockLines].flatMap(({ text, line }) => {
    const messages = [...judgeScripts(text, facts), ...judgeCommands(text, facts)];
    return messages.map((message) => ({ line, message }));
  });
}

function judgeScripts(text: string, { scripts }: RepositoryFacts): string[] {
  const named = [...text.matchAll(/\bnpm (?:run (?:-s |--silent )?([\w:-]+)|(test|start)\b)/g)];
  return named
    .map(([, run, short]) => run ?? short ?? "")
    .filter((name) => !scripts.has(name))
    .map((name) => `there is no npm script "${name}"`);
}

function judgeCommands(text: string, facts: RepositoryFacts): string[] {
  const calls = text.matchAll(/(?<![\w./@-])hodei ([a-z][\w-]*)([^|;&]*)/g);
  return [...calls].flatMap(([, name = "", rest = ""]) => {
    const command = facts.findCommand(name);
    if (command === undefined) return [`there is no command "hodei ${name}"`];
    // What stands after a lone `--` belongs to the job.
    const words = (rest.split(/ --(?: |$)/)[0] ?? "").trim().split(/\s+/);
    const [second = ""] = words;
    const flags = words
      .filter((word) => /^--[a-z]/.test(word))
      .map((word) => word.split("=")[0] ?? "");
    return [
      ...(/^[a-z][a-z-]*$/.test(second) && !command.accepts(second)
        ? [`there is no command "hodei ${name} ${second}"`]
        : []),
      ...flags.filter((flag) => !facts.hasFlag(flag)).map((flag) => `hodei has no flag ${flag}`),
    ];
  });
}

function checkNames({ spans }: MarkdownPieces, facts: RepositoryFacts): Problem[] {
  return spans.flatMap(({ text, line }) => {
    if (ROOTED.test(text)) {
      return facts.hasPath(text) ? [] : [{ line, message: `there is no file ${text}` }];
    }
    if (!SYMBOL.test(text) || !INNER_MARK.test(text)) return [];
    const names = text.replace(/\(.*/, "").split(".");
    const unknown = names.filter((name) => !facts.hasWord(settingOf(name) ?? name));
    return unknown.map((name) => ({ line, message: `no source has the name ${name}` }));
  });
}

/** `HODEI_SERVER_DATA_DIR` stands for the setting `dataDir`, and no source has to spell it out. */
function settingOf(name: string): string | undefined {
  const [, words] = /^HODEI_(?:SERVER|WORKER)_(\w+)$/.exec(name) ?? [];
  return words?.toLowerCase().replaceAll(/_(\w)/g, (_, letter: string) => letter.toUpperCase());
}

function checkLinks(from: string, links: readonly Piece[], facts: RepositoryFacts): Problem[] {
  return links.flatMap(({ text, line }) => {
    const [target = ""] = text.split("#");
    if (target === "" || /^[a-z]+:/.test(target)) return [];
    const path = posix.join(posix.dirname(from), decodeURI(target));
    return facts.hasPath(path) ? [] : [{ line, message: `the link ${text} leads nowhere` }];
  });
}

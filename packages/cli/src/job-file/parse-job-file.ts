import {
  type Document,
  isAlias,
  isMap,
  isNode,
  isPair,
  isScalar,
  LineCounter,
  parseAllDocuments,
  visit,
} from "yaml";
import type { z } from "zod";
import { CommandError } from "../errors.ts";
import type { NewJob } from "../job-flags.ts";
import { didYouMean } from "../suggest.ts";
import { fieldNames } from "./field-names.ts";
import { jobFileSchema } from "./schema.ts";
import { toNewJob } from "./to-new-job.ts";

/** Most documents of one file: the contract's limit for jobs that are created together. */
const DOCUMENTS_MAX = 10_000;
/** Mistakes that are shown; there is no point in more. */
const MISTAKES_SHOWN = 20;

interface Mistake {
  readonly offset: number;
  readonly message: string;
}

/**
 * The jobs of a file in YAML, of which JSON is a part: one for each document.
 * @param name of the file, for messages
 * @throws CommandError that lists every mistake with file, line and column
 */
export function parseJobFile(text: string, name: string): readonly NewJob[] {
  const lineCounter = new LineCounter();
  // A `---` with nothing behind it starts a document that holds nothing.
  const documents = parseAllDocuments(text, { lineCounter, merge: true }).filter(
    ({ contents, errors }) => !isEmpty(contents) || errors.length > 0,
  );
  if (documents.length === 0) {
    throw new CommandError(`${name} holds no job`, { next: "see docs/cli.md for an example" });
  }
  if (documents.length > DOCUMENTS_MAX) {
    throw new CommandError(`${name} holds more than ${DOCUMENTS_MAX} jobs`, { next: "split it" });
  }
  const jobs: NewJob[] = [];
  const mistakes: Mistake[] = [];
  for (const document of documents) {
    const result = parseDocument(document);
    if ("job" in result) jobs.push(result.job);
    else mistakes.push(...result.mistakes);
  }
  if (mistakes.length > 0) throw mistaken(mistakes, name, lineCounter);
  return jobs;
}

const isEmpty = (contents: unknown): boolean =>
  contents === null || (isScalar(contents) && contents.value === null);

function parseDocument(document: Document.Parsed): { job: NewJob } | { mistakes: Mistake[] } {
  if (document.errors.length > 0) {
    // The library's message goes on with a picture of the line after a blank one.
    const mistakes = document.errors.map(({ pos, message }) => ({
      offset: pos[0],
      message: message.replace(/ at line \d+, column \d+:\n[\s\S]*$/, ""),
    }));
    return { mistakes };
  }
  let data: unknown;
  try {
    data = document.toJS();
  } catch (error) {
    // An alias without an anchor, or one that stands for more than the library unfolds.
    if (!(error instanceof ReferenceError)) throw error;
    return { mistakes: [{ offset: firstAliasOffset(document), message: aliasMessage(error) }] };
  }
  const parsed = jobFileSchema.safeParse(data);
  if (!parsed.success) {
    return { mistakes: parsed.error.issues.flatMap((issue) => toMistakes(issue, document)) };
  }
  const result = toNewJob(parsed.data);
  if ("job" in result) return result;
  const mistakes = result.mistakes.map(({ path, message }) => ({
    offset: offsetOf(document, path),
    message,
  }));
  return { mistakes };
}

const aliasMessage = ({ message }: ReferenceError): string =>
  message.startsWith("Unresolved alias")
    ? `${message}; put text that begins with * in quotes`
    : message;

/** Where the first alias stands whose anchor is missing, else where the document starts. */
function firstAliasOffset(document: Document.Parsed): number {
  let offset = document.range[0];
  visit(document, {
    Alias(_, alias) {
      if (alias.resolve(document) !== undefined) return undefined;
      offset = alias.range?.[0] ?? offset;
      return visit.BREAK;
    },
  });
  return offset;
}

/** One mistake for each unknown field, else one for the issue. */
function toMistakes(issue: z.core.$ZodIssue, document: Document.Parsed): Mistake[] {
  if (issue.code === "unrecognized_keys") {
    return issue.keys.map((key) => ({
      offset: offsetOfKey(document, issue.path, key),
      message: `unknown field ${JSON.stringify(key)}${didYouMean(key, fieldNames(issue.path))}`,
    }));
  }
  if (issue.code === "invalid_union") {
    const meant = meantBranch(issue.errors);
    if (meant !== undefined) {
      return meant.flatMap((inner) =>
        toMistakes({ ...inner, path: [...issue.path, ...inner.path] }, document),
      );
    }
  }
  return [{ offset: offsetOf(document, issue.path), message: describeIssue(issue, document) }];
}

/** The form that was probably meant: the one of the right type, in which something inside is wrong. */
function meantBranch(
  branches: readonly (readonly z.core.$ZodIssue[])[],
): readonly z.core.$ZodIssue[] | undefined {
  return branches.find((issues) =>
    issues.every(({ path, code }) => path.length > 0 || code !== "invalid_type"),
  );
}

function describeIssue(issue: z.core.$ZodIssue, document: Document.Parsed): string {
  const name = issue.path.at(-1);
  const field = typeof name === "string" ? `${name}: ` : "";
  const value: unknown = document.getIn(issue.path as unknown[]);
  if (value === undefined) return `${field}is missing`;
  switch (issue.code) {
    case "invalid_type":
      if (
        issue.expected === "string" &&
        (typeof value === "number" || typeof value === "boolean")
      ) {
        return `${field}expected text, not ${typeof value} ${value}; put it in quotes`;
      }
      return `${field}expected ${TYPE_NAMES.get(issue.expected) ?? issue.expected}, not ${typeName(value)}`;
    case "invalid_union":
      return `${field}this is of none of the forms that it may have`;
    case "invalid_value":
      return `${field}expected one of ${issue.values.join(", ")}${didYouMean(String(value), issue.values.map(String))}`;
    case "too_small":
      return `${field}must be at least ${issue.minimum}`;
    case "too_big":
      return `${field}must be at most ${issue.maximum}`;
    default:
      return `${field}${issue.message}`;
  }
}

const TYPE_NAMES: ReadonlyMap<string, string> = new Map([
  ["string", "text"],
  ["int", "a whole number"],
  ["number", "a number"],
  ["boolean", "true or false"],
  ["array", "a list"],
  ["object", "fields"],
  ["record", "fields"],
]);

function typeName(value: unknown): string {
  if (value === null) return "nothing";
  if (isNode(value)) return isMap(value) ? "fields" : "a list";
  return typeof value === "string" ? "text" : `${typeof value} ${String(value)}`;
}

/** Where the value at `path` starts; of a value that is not there, where the innermost one around it starts. */
function offsetOf(document: Document.Parsed, path: readonly PropertyKey[]): number {
  for (let length = path.length; length >= 0; length -= 1) {
    const node: unknown = document.getIn(path.slice(0, length) as unknown[], true);
    if (isNode(node) && node.range) return node.range[0];
  }
  return document.range[0];
}

function offsetOfKey(document: Document.Parsed, path: readonly PropertyKey[], key: string): number {
  const found: unknown = document.getIn(path as unknown[], true);
  const map = isAlias(found) ? found.resolve(document) : found;
  const pair =
    isMap(map) &&
    map.items.find((item) => isPair(item) && isScalar(item.key) && item.key.value === key);
  return pair && isNode(pair.key) && pair.key.range ? pair.key.range[0] : offsetOf(document, path);
}

function mistaken(mistakes: readonly Mistake[], name: string, lines: LineCounter): CommandError {
  const texts = mistakes.slice(0, MISTAKES_SHOWN).map(({ offset, message }) => {
    const { line, col } = lines.linePos(offset);
    return `${name}:${line}:${col}: ${message}`;
  });
  const hidden = mistakes.length - texts.length;
  if (hidden > 0) texts.push(`and ${hidden} more`);
  return new CommandError(texts.join("\n"));
}

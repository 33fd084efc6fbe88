import type { JobSpecInit } from "@hodei/sdk";
import type { NewJob } from "../job-flags.ts";
import { defined } from "../values/defined.ts";
import type { JobDocument } from "./schema.ts";

/** A mistake in a document that its schema cannot tell: where, and what. */
export interface DocumentMistake {
  readonly path: readonly PropertyKey[];
  readonly message: string;
}

/** The request that a document describes, or the mistakes in it. */
export function toNewJob(
  document: JobDocument,
): { readonly job: NewJob } | { readonly mistakes: readonly DocumentMistake[] } {
  const mistakes: DocumentMistake[] = [];
  const work = toWork(document, mistakes);
  const stdin = toBytes(document, "stdin", "stdinBase64", [], mistakes);
  const files = document.files?.map(({ content, contentBase64, ...file }, index) => {
    const bytes = toBytes(
      { content, contentBase64 },
      "content",
      "contentBase64",
      ["files", index],
      mistakes,
    );
    return { ...file, content: bytes ?? new Uint8Array() };
  });
  if (mistakes.length > 0) return { mistakes };
  const { idempotencyKey, ...fields } = document;
  const {
    command: _c,
    script: _s,
    container: _k,
    stdin: _t,
    stdinBase64: _b,
    files: _f,
    ...rest
  } = fields;
  const spec: JobSpecInit = { ...rest, ...defined({ work, stdin, files }) };
  return { job: { spec, idempotencyKey: idempotencyKey ?? "" } };
}

function toWork(
  { command, script, container }: JobDocument,
  mistakes: DocumentMistake[],
): JobSpecInit["work"] {
  const given = Object.entries({ command, script, container }).filter(
    ([, form]) => form !== undefined,
  );
  if (given.length !== 1) {
    const [, second] = given.map(([name]) => name);
    const message =
      second === undefined
        ? "there is nothing to run: give command, script or container"
        : "give only one of command, script and container";
    mistakes.push({ path: second === undefined ? [] : [second], message });
  }
  if (command !== undefined) {
    return { case: "command", value: Array.isArray(command) ? { argv: command } : command };
  }
  if (script !== undefined) {
    return { case: "script", value: typeof script === "string" ? { content: script } : script };
  }
  return container === undefined ? { case: undefined } : { case: "container", value: container };
}

/** The bytes of a pair of fields of which one holds text and the other base64. */
function toBytes<Text extends string, Base64 extends string>(
  fields: { readonly [Key in Text | Base64]?: string | undefined },
  textName: Text,
  base64Name: Base64,
  path: readonly PropertyKey[],
  mistakes: DocumentMistake[],
): Uint8Array<ArrayBuffer> | undefined {
  const text = fields[textName];
  const base64 = fields[base64Name];
  if (text !== undefined && base64 !== undefined) {
    mistakes.push({
      path: [...path, base64Name],
      message: `give only one of ${textName} and ${base64Name}`,
    });
  }
  if (base64 === undefined) return text === undefined ? undefined : new TextEncoder().encode(text);
  // `Buffer.from` skips what is not base64 without a word.
  if (/^[A-Za-z0-9+/\s]*={0,2}\s*$/.test(base64))
    return new Uint8Array(Buffer.from(base64, "base64"));
  mistakes.push({ path: [...path, base64Name], message: "this is not base64" });
  return undefined;
}

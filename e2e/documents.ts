/**
 * A fenced block that a reader is to act on. What a block is stands in its first line:
 *
 * - `sh`: commands. All of a document's are run, in order and in one shell, so variables and background jobs go on. The
 *   first command that fails ends the document; one that is to fail says `|| …`.
 * - `text` right below commands: all that they print, standard error included. `…` stands for any text within a line,
 *   and alone on a line for any lines.
 * - any language with `file=name`: goes into a file of that name before the next commands.
 *
 * Everything else is for reading, and must be of a language that nobody takes for commands.
 */
export type Block =
  | { readonly kind: "file"; readonly name: string; readonly text: string }
  | Commands;

export interface Commands {
  readonly kind: "commands";
  /** Of the block's first line in its document. */
  readonly line: number;
  readonly text: string;
  readonly expected: string | undefined;
}

const FOR_READING = new Set(["text", "yaml", "json", "ts", "mermaid", "proto"]);
const FENCE = /^ *```(?<info>.*)\n(?<text>[\s\S]*?)^ *```$/gm;

/** @throws Error naming the line of a block that looks like commands and would not be run */
export function parseBlocks(markdown: string): readonly Block[] {
  const blocks: Block[] = [];
  let previous: { commands: Commands | undefined; end: number } | undefined;
  for (const { index, 0: whole, groups } of markdown.matchAll(FENCE)) {
    const line = markdown.slice(0, index).split("\n").length;
    const block = parseBlock(groups?.info ?? "", groups?.text ?? "", line);
    const answered = markdown.slice(previous?.end, index).trim() === "" && previous?.commands;
    if (block === "for reading" && answered && groups?.info === "text") {
      blocks.splice(-1, 1, { ...answered, expected: groups.text });
    } else if (block !== "for reading") {
      blocks.push(block);
    }
    const commands = block !== "for reading" && block.kind === "commands" ? block : undefined;
    previous = { commands, end: index + whole.length };
  }
  return blocks;
}

function parseBlock(info: string, text: string, line: number): Block | "for reading" {
  const [language = "", name] = info.split(" file=");
  if (name !== undefined) return { kind: "file", name, text };
  if (language === "sh") return { kind: "commands", line, text, expected: undefined };
  if (FOR_READING.has(language)) return "for reading";
  throw new Error(
    `line ${line}: nobody runs "${language}"; commands are sh, what is to be read text`,
  );
}

/** Notices of a slow machine, which a reader may see and no document shows. */
const SLOW_NOTICES = /^hodei: job \S+: Waits: .*\n/gm;

/** Whether a reader would say that `output` is what the document shows. */
export function isAsExpected(output: string, expected: string): boolean {
  const pattern = linesOf(expected).map((line) =>
    line === "…" ? "(?:.*\n)*?" : `${line.split("…").map(quote).join(".*")}\n`,
  );
  const seen = linesOf(output.replaceAll(SLOW_NOTICES, "")).map((line) => `${line}\n`);
  return new RegExp(`^${pattern.join("")}$`).test(seen.join(""));
}

/** Lines without the blanks at their ends, which nobody sees; a line end at the end begins no line. */
const linesOf = (text: string): readonly string[] =>
  text === ""
    ? []
    : text
        .replace(/\n$/, "")
        .split("\n")
        .map((line) => line.trimEnd());

const quote = (text: string): string => text.replaceAll(/[.*+?^${}()|[\]\\]/g, "\\$&");

/**
 * One shell script that does what the blocks say in the current folder. What commands print goes into the files `0`,
 * `1`, … of the folder `$OUTPUT`, and when all of them have succeeded there is also `0.done`, `1.done`, ….
 *
 * Fails if a background job is left at the end. Whatever happens, none runs on.
 */
export function toScript(blocks: readonly Block[]): string {
  let count = 0;
  const parts = blocks.map((block) => {
    if (block.kind === "file")
      return `cat > '${block.name}' <<'END_OF_FILE'\n${block.text}END_OF_FILE`;
    const file = `"$OUTPUT/${count++}"`;
    return `{\n${block.text}} >${file} 2>&1\n: >${file}.done`;
  });
  return [
    "set -e",
    "trap 'kill $(jobs -pr) 2>/dev/null || true; wait' EXIT",
    // Meant for all of the shell's group, so its jobs have got the signal, and a second one would hurry them.
    "trap 'wait; exit 143' TERM",
    ...parts,
    'test -z "$(jobs -pr)"',
  ].join("\n");
}

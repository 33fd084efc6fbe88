import { styleText } from "node:util";
import type { CommandContext } from "../context.ts";

export type Style = "bold" | "dim" | "red" | "green" | "yellow" | "blue";

/** Puts a style on text that goes to standard output, if a person reads it there and `NO_COLOR` is not set. */
export function painter(
  context: Pick<CommandContext, "stdout" | "env">,
): (style: Style, text: string) => string {
  const isColoured = context.stdout.isTerminal && (context.env.NO_COLOR ?? "") === "";
  return (style, text) => (isColoured ? styleText(style, text, { validateStream: false }) : text);
}

/** `text` with control characters made visible, so that a name cannot steer the terminal of its reader. */
export function visible(text: string): string {
  return text.replace(/[\p{Cc}\p{Bidi_Control}\u2028\u2029]/gu, (found) => {
    const code = found.charCodeAt(0).toString(16);
    return code.length <= 2 ? `\\x${code.padStart(2, "0")}` : `\\u${code.padStart(4, "0")}`;
  });
}

export type Cell = string | { readonly text: string; readonly style: Style };

/** Rows in columns that are as wide as their widest cell, two spaces apart. The last column is not padded. */
export function table(
  header: readonly string[],
  rows: readonly (readonly Cell[])[],
  paint: (style: Style, text: string) => string,
): string {
  const lines = [header.map((text): Cell => ({ text, style: "bold" })), ...rows];
  const widths = header.map((_, column) =>
    Math.max(...lines.map((cells) => widthOf(cells[column] ?? ""))),
  );
  return lines
    .map((cells) =>
      cells
        .map((cell, column) => {
          const padding = " ".repeat((widths[column] ?? 0) - widthOf(cell));
          return `${painted(cell, paint)}${column === cells.length - 1 ? "" : padding}`;
        })
        .join("  "),
    )
    .map((line) => `${line}\n`)
    .join("");
}

/** Facts as `name: value` lines with the values in one column; facts without a value are left out. */
export function facts(
  entries: readonly (readonly [name: string, value: Cell | undefined])[],
  paint: (style: Style, text: string) => string,
): string {
  const given = entries.filter((entry): entry is [string, Cell] => entry[1] !== undefined);
  const width = Math.max(0, ...given.map(([name]) => name.length)) + 1;
  return given
    .map(([name, value]) => `${`${name}:`.padEnd(width)} ${painted(value, paint)}\n`)
    .join("");
}

const plain = (cell: Cell): string => visible(typeof cell === "string" ? cell : cell.text);

const widthOf = (cell: Cell): number => [...plain(cell)].length;

const painted = (cell: Cell, paint: (style: Style, text: string) => string): string =>
  typeof cell === "string" ? plain(cell) : paint(cell.style, plain(cell));

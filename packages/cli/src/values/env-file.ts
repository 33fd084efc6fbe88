import { InvalidValue } from "./invalid-value.ts";

/**
 * Variables of a file of `NAME=VALUE` lines. Blank lines and lines that start with `#` are skipped; a value is
 * taken as it stands, quotes and spaces included. A name that comes twice has its last value.
 * @throws InvalidValue with file name and line number
 */
export function parseEnvFile(text: string, fileName: string): ReadonlyMap<string, string> {
  const variables = new Map<string, string>();
  for (const [index, line] of text.split(/\r?\n/).entries()) {
    if (line.trim() === "" || line.trimStart().startsWith("#")) continue;
    const [, name, value] = /^([A-Za-z_][A-Za-z0-9_]*)=(.*)$/s.exec(line) ?? [];
    if (name === undefined || value === undefined) {
      throw new InvalidValue(
        `${fileName}:${index + 1}: ${JSON.stringify(line.slice(0, 80))} is not of the form NAME=VALUE`,
      );
    }
    variables.set(name, value);
  }
  return variables;
}

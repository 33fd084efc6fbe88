import { InvalidValue } from "./invalid-value.ts";

const UNIT_BYTES: ReadonlyMap<string, number> = new Map([
  ["", 1],
  ["B", 1],
  ["kB", 1e3],
  ["KB", 1e3],
  ["MB", 1e6],
  ["GB", 1e9],
  ["TB", 1e12],
  ["KiB", 2 ** 10],
  ["MiB", 2 ** 20],
  ["GiB", 2 ** 30],
  ["TiB", 2 ** 40],
]);

/** Bytes of a text such as `512MiB`, `1.5GB` or `1048576`. Rounded to whole bytes. @throws InvalidValue */
export function parseSize(text: string): number {
  const [, amount, unit = ""] = /^(\d+(?:\.\d+)?) ?([A-Za-z]*)$/.exec(text) ?? [];
  const unitBytes = UNIT_BYTES.get(unit);
  const bytes = Math.round(Number(amount) * (unitBytes ?? 0));
  if (amount === undefined || unitBytes === undefined) {
    throw new InvalidValue(
      `${JSON.stringify(text)} is not a size such as 512MiB, 1.5GB or 1048576`,
    );
  }
  if (!Number.isSafeInteger(bytes)) throw new InvalidValue(`${JSON.stringify(text)} is too large`);
  return bytes;
}

/** `bytes` with a binary unit and at most one decimal: `1.5 GiB`. For people. */
export function formatSize(bytes: number): string {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let amount = bytes;
  let unit = 0;
  while (amount >= 1024 && unit < units.length - 1) {
    amount /= 1024;
    unit += 1;
  }
  return `${amount >= 100 || Number.isInteger(amount) ? Math.round(amount) : amount.toFixed(1)} ${units[unit]}`;
}

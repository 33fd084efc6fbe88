import { InvalidValue } from "./invalid-value.ts";

// biome-ignore format: a table reads better in columns
const UNIT_MS: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/** Longest duration that is understood; the server's own limits are lower. */
const DURATION_MAX_MS = 100 * 365 * 86_400_000;

/**
 * Milliseconds of a text such as `500ms`, `2s`, `1.5h` or `1m30s`: numbers with units, largest first, each once.
 * A bare `0` needs no unit. Rounded to whole milliseconds. @throws InvalidValue
 */
export function parseDuration(text: string): number {
  if (text === "0") return 0;
  if (!/^(\d+(\.\d+)?(ms|s|m|h|d))+$/.test(text)) throw invalid(text);
  let totalMs = 0;
  let lastUnitMs = Number.POSITIVE_INFINITY;
  for (const [, amount, unit] of text.matchAll(/(\d+(?:\.\d+)?)(ms|s|m|h|d)/g)) {
    const unitMs = UNIT_MS[unit ?? ""] ?? 0;
    if (unitMs >= lastUnitMs) throw invalid(text);
    lastUnitMs = unitMs;
    totalMs += Number(amount) * unitMs;
  }
  if (totalMs > DURATION_MAX_MS) throw new InvalidValue(`${JSON.stringify(text)} is too long`);
  return Math.round(totalMs);
}

function invalid(text: string): InvalidValue {
  return new InvalidValue(
    `${JSON.stringify(text)} is not a duration such as 500ms, 30s, 1m30s or 2h`,
  );
}

/** `ms` in the form that `parseDuration` reads, with at most two units: `1m30s`. For people. */
export function formatDuration(ms: number): string {
  if (ms < 1_000) return `${Math.round(ms)}ms`;
  let restSeconds = Math.round(ms / 1_000);
  let text = "";
  let units = 0;
  for (const [unit, seconds] of [
    ["d", 86_400],
    ["h", 3_600],
    ["m", 60],
    ["s", 1],
  ] as const) {
    const amount = Math.floor(restSeconds / seconds);
    if (amount === 0 || units === 2) continue;
    text += `${amount}${unit}`;
    restSeconds -= amount * seconds;
    units += 1;
  }
  return text;
}

import { parseDuration } from "./duration.ts";
import { InvalidValue } from "./invalid-value.ts";

/** The contract's limit. */
const CPU_MAX_MILLIS = 1_024_000;

/** Thousandths of a core of a text such as `2`, `0.5` or `500m`. @throws InvalidValue */
export function parseCpu(text: string): number {
  const [, cores, millis] = /^(?:(\d+(?:\.\d{1,3})?)|(\d+)m)$/.exec(text) ?? [];
  const count = millis === undefined ? Math.round(Number(cores) * 1000) : Number(millis);
  if (count <= CPU_MAX_MILLIS) return count;
  throw new InvalidValue(
    `${JSON.stringify(text)} is not a number of cores such as 2, 0.5 or 500m, at most 1024`,
  );
}

/** A parser of whole numbers in [min, max]. It throws InvalidValue. */
export function wholeNumber(min: number, max: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (/^-?\d+$/.test(text) && value >= min && value <= max) return value;
    throw new InvalidValue(`${JSON.stringify(text)} is not a whole number from ${min} to ${max}`);
  };
}

/** An instant of an ISO 8601 text with its offset, such as `2026-01-31T08:00:00Z`. @throws InvalidValue */
export function parseInstant(text: string): Date {
  const isComplete = /^\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:\d\d)$/.test(text);
  const instant = new Date(text);
  // `Date` takes 31 February for 3 March.
  const day = new Date(`${text.slice(0, 10)}T00:00:00Z`);
  const isDay = !Number.isNaN(day.getTime()) && day.toISOString().startsWith(text.slice(0, 10));
  if (isComplete && isDay && !Number.isNaN(instant.getTime())) return instant;
  throw new InvalidValue(
    `${JSON.stringify(text)} is not an instant such as 2026-01-31T08:00:00Z (with its UTC offset)`,
  );
}

/**
 * An instant of a text such as `2026-01-31T08:00:00Z`, or of a duration such as `10m`, which counts back from the `now`
 * that the result is called with. @throws InvalidValue
 */
export function parseSince(text: string): (now: Date) => Date {
  if (/^\d{4}-/.test(text)) {
    const instant = parseInstant(text);
    return () => instant;
  }
  const backMs = parseDuration(text);
  return (now) => new Date(now.getTime() - backMs);
}

/** Name and value of a text such as `name=value`; the value may hold further `=`. @throws InvalidValue */
export function parsePair(text: string): readonly [name: string, value: string] {
  const at = text.indexOf("=");
  if (at > 0) return [text.slice(0, at), text.slice(at + 1)];
  throw new InvalidValue(`${JSON.stringify(text)} is not of the form NAME=VALUE`);
}

/** Id of a job or a worker. @throws InvalidValue */
export function parseId(text: string): string {
  if (/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(text)) return text.toLowerCase();
  throw new InvalidValue(`${JSON.stringify(text)} is not an id; ids look like ${EXAMPLE_ID}`);
}

const EXAMPLE_ID = "0198c7a4-6a52-7c3e-9d0b-3f6f5b1f2a10";

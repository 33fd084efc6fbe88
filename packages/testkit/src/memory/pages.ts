import { type Page, type PageRequest, PlatformError } from "@hodei/domain";

/** One page of `rows`, newest first, then by descending id. A token names the last row of the page before. */
export function newestFirst<Row extends { readonly createdAt: Date; readonly id: string }>(
  rows: readonly Row[],
  { limit, token }: PageRequest,
): Page<Row> {
  const after = token === null ? undefined : parseToken(token);
  const rest = rows
    .toSorted(descending)
    .filter((row) => after === undefined || descending(after, row) < 0);
  const items = rest.slice(0, limit);
  const last = items.at(-1);
  const nextToken =
    last !== undefined && rest.length > limit ? `${last.createdAt.getTime()}/${last.id}` : null;
  return { items, nextToken };
}

interface Position {
  readonly createdAt: Date;
  readonly id: string;
}

function descending(a: Position, b: Position): number {
  return b.createdAt.getTime() - a.createdAt.getTime() || compareText(b.id, a.id);
}

function parseToken(token: string): Position {
  const [, time, id] = /^(-?\d+)\/(.+)$/.exec(token) ?? [];
  if (time === undefined || id === undefined) {
    throw new PlatformError(
      "invalid_argument",
      "malformed_page_token",
      "the page token is not one that a list returned; start without one",
    );
  }
  return { createdAt: new Date(Number(time)), id };
}

/** By code units; the order of PostgreSQL for ids, which are ASCII. */
export function compareText(a: string, b: string): number {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}

import { type Page, PlatformError } from "@hodei/domain";

/** The last row of a page. Lists go from the newest to the oldest, then by descending id. */
export interface PagePosition {
  readonly createdAt: Date;
  readonly id: string;
}

const TOKEN = /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z) ([0-9a-f-]{36})$/;

/** @throws PlatformError `invalid_argument` */
export function parsePageToken(token: string): PagePosition {
  const [, time = "", id] = TOKEN.exec(Buffer.from(token, "base64url").toString("latin1")) ?? [];
  const createdAt = new Date(time);
  if (id !== undefined && !Number.isNaN(createdAt.getTime())) return { createdAt, id };
  throw new PlatformError(
    "invalid_argument",
    "malformed_page_token",
    "the page token is not one that a list returned; start without one",
  );
}

/** A page of `limit` from rows that were read with one row more, if there was one. */
export function toPage<T extends PagePosition>(items: readonly T[], limit: number): Page<T> {
  const last = items.length > limit ? items[limit - 1] : undefined;
  if (last === undefined) return { items, nextToken: null };
  const token = `${last.createdAt.toISOString()} ${last.id}`;
  return { items: items.slice(0, limit), nextToken: Buffer.from(token).toString("base64url") };
}

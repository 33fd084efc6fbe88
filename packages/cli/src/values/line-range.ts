import { InvalidValue } from "./invalid-value.ts";

/** Lines of a log, of which the first is 1. */
export interface LineRange {
  readonly first: number;
  /** `undefined`: to the end. */
  readonly last: number | undefined;
}

/** Lines of a text such as `17`, `17..40`, `17..` or `..40`. @throws InvalidValue */
export function parseLineRange(text: string): LineRange {
  const [, from, dots, to] = /^(\d{1,15})?(\.\.)?(\d{1,15})?$/.exec(text) ?? [];
  const first = from === undefined ? 1 : Number(from);
  const end = dots === undefined ? from : to;
  const last = end === undefined ? undefined : Number(end);
  const isGiven = from !== undefined || (dots !== undefined && to !== undefined);
  if (isGiven && first >= 1 && (last === undefined || last >= first)) return { first, last };
  throw new InvalidValue(
    `${JSON.stringify(text)} is not a range of lines such as 17, 17..40, 17.. or ..40`,
  );
}

import { durationFromMs, type JobSpecInit } from "@hodei/sdk";
import { parseDuration } from "./duration.ts";
import { InvalidValue } from "./invalid-value.ts";

/** A rate limit of a text such as `api=5/1m`: at most five starts with the key `api` a minute. @throws InvalidValue */
export function parseRateLimit(text: string): NonNullable<JobSpecInit["rateLimit"]> {
  const { key, count, per } =
    /^(?<key>.+)=(?<count>\d{1,5})\/(?<per>[^/]+)$/.exec(text)?.groups ?? {};
  if (key === undefined || count === undefined || per === undefined || Number(count) === 0) {
    throw new InvalidValue(
      `${JSON.stringify(text)} is not a key, a count and a time, such as api=5/1m`,
    );
  }
  return { key, count: Number(count), per: durationFromMs(parseDuration(per)) };
}

import type { DescMessage, Message } from "@bufbuild/protobuf";
import { pathToString } from "@bufbuild/protobuf/reflect";
import { createValidator, type Violation } from "@bufbuild/protovalidate";
import type { Interceptor } from "@connectrpc/connect";
import { PlatformError } from "@hodei/domain";

/** Violations that a message names; of the rest it gives the number. */
const MAX_NAMED_COUNT = 10;
/** Longest description of one violation; its path holds map keys, which the caller chose. */
const MAX_VIOLATION_LENGTH = 200;

/** By far the most frequent pattern of the contract, and the one on its largest texts. */
const NO_NUL = "^[^\\x00]*$";

/** What the patterns of the contract mean, for people. None repeats a repetition, so each matches in linear time. */
export const PATTERN_MEANINGS: ReadonlyMap<string, string> = new Map([
  [NO_NUL, "must not contain NUL characters"],
  ["^[^\\x00-\\x1f\\x7f]*$", "must not contain control characters"],
  ["^[A-Za-z_][A-Za-z0-9_]*$", "must be letters, digits and _, and not begin with a digit"],
  [
    "^[A-Za-z0-9]([A-Za-z0-9._/-]*[A-Za-z0-9])?$",
    "must be letters, digits and . _ / -, and begin and end with a letter or a digit",
  ],
  ["^[a-z0-9-]*$", "must be lower-case letters, digits and -"],
]);

/**
 * Checks every request against the field rules of the contract: the one of a unary call, and each message of a stream.
 * All violations come in one error, with their fields. Costs 30 µs for a usual CreateJob and 9 µs for a log batch of 20
 * segments (measured, 2 cores).
 */
export function validateRequests(): Interceptor {
  const check = createCheck();
  return (next) => async (request) => {
    const { input } = request.method;
    if (!request.stream) {
      check(input, request.message);
      return next(request);
    }
    return next({ ...request, message: checkEach(request.message, (item) => check(input, item)) });
  };
}

async function* checkEach<T>(messages: AsyncIterable<T>, check: (item: T) => void) {
  for await (const item of messages) {
    check(item);
    yield item;
  }
}

function createCheck(): (schema: DescMessage, message: Message) => void {
  const validator = createValidator({ regexMatch: createRegexMatch() });
  return (schema, message) => {
    const result = validator.validate(schema, message);
    switch (result.kind) {
      case "valid":
        return;
      case "invalid":
        throw new PlatformError("invalid_argument", "invalid_request", describe(result.violations));
      case "error":
        throw result.error;
    }
  };
}

/**
 * Matches with the engine of the runtime instead of the validator's own RE2, which takes 100 ms for a script of 1 MiB.
 * That is safe because all patterns are ours.
 */
function createRegexMatch(): (pattern: string, text: string) => boolean {
  const compiled = new Map<string, RegExp>();
  return (pattern, text) => {
    if (pattern === NO_NUL) return !text.includes("\0");
    let regex = compiled.get(pattern);
    if (regex === undefined) {
      regex = new RegExp(pattern, "u");
      compiled.set(pattern, regex);
    }
    return regex.test(text);
  };
}

function describe(violations: readonly Violation[]): string {
  const named = violations.slice(0, MAX_NAMED_COUNT).map((violation) => {
    const text = `${pathToString(violation.field)}: ${meaningOf(violation)}`;
    return text.length > MAX_VIOLATION_LENGTH ? `${text.slice(0, MAX_VIOLATION_LENGTH)}…` : text;
  });
  const more = violations.length - named.length;
  return more > 0 ? `${named.join("; ")}; and ${more} more` : named.join("; ");
}

function meaningOf({ message }: Violation): string {
  for (const [pattern, meaning] of PATTERN_MEANINGS) {
    if (message.includes(`\`${pattern}\``)) return meaning;
  }
  return message;
}

import type { RandomStream } from "@hodei/simulator";
import type { SecretValue } from "../program/encodings.ts";

const LETTERS = "ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz23456789";

/** Secrets of every difficult shape, different in every run, so that the marks of one run are not those of another. */
export function drawSecrets(random: RandomStream): readonly SecretValue[] {
  const word = (length: number): string =>
    Array.from({ length }, () => LETTERS[random.integer(0, LETTERS.length - 1)]).join("");
  const prefix = word(9);
  // Of one letter it would be too plain to be masked, and that is no fault.
  const first = random.integer(0, LETTERS.length - 1);
  const second = (first + random.integer(1, LETTERS.length - 1)) % LETTERS.length;
  const pair = `${LETTERS[first]}${LETTERS[second]}`;
  return [
    { name: "TOKEN", value: word(40) },
    { name: "REGEX", value: `${word(4)}.*+?^$(){}|[]\\${word(4)}` },
    { name: "QUOTES", value: `${word(5)}'"\`$HOME ${word(6)}` },
    { name: "PREFIX", value: prefix },
    { name: "LONGER", value: `${prefix}${word(8)}` },
    { name: "UNICODE", value: `${word(4)}-ñandú-火山-${word(5)}` },
    { name: "OVERLAP", value: `${pair}${pair}${pair}${word(1)}${pair}${pair}` },
    { name: "LINES", value: `${word(24)}\n${word(24)}\n${word(16)}` },
  ];
}

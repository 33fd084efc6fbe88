/** The word for a value of an enum of the contract: `timed_out` for `JobState.TIMED_OUT`; a number if it is unknown. */
export function enumWord(names: Readonly<Record<string, number>>, value: number): string {
  const name = Object.keys(names).find((key) => names[key] === value);
  return name?.toLowerCase() ?? `${value}`;
}

/** The words of an enum of the contract, without the unspecified one. */
export function enumWords(names: Readonly<Record<string, number>>): string[] {
  return Object.keys(names)
    .filter((name) => name !== "UNSPECIFIED")
    .map((name) => name.toLowerCase());
}

/** The value for a word of `enumWords`. */
export function enumValue<Value extends number>(
  names: Readonly<Record<string, Value>>,
  word: string,
): Value | undefined {
  return enumWords(names).includes(word) ? names[word.toUpperCase()] : undefined;
}

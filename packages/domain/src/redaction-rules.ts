/**
 * Shorter texts are not looked for in logs: they occur by chance, and masking them hides more than it protects. Six bytes
 * is also where Buildkite's redactor begins.
 */
export const MIN_MASKED_BYTES = 6;
/** The same for a single line of a longer value, which more often is an ordinary word. */
const MIN_MASKED_LINE_BYTES = 8;
/** Shannon entropy of a text, in bits, below which it is a run of one or two characters such as `------`. */
const MIN_MASKED_BITS = 8;

/** How much of a text is looked at first: more adds bits and takes none away. */
const ENTROPY_SAMPLE_BYTES = 64;

/** Whether `text` is long and varied enough to be masked wherever it occurs. */
export function isMaskable(text: Uint8Array): boolean {
  if (text.length < MIN_MASKED_BYTES) return false;
  const sample = text.subarray(0, ENTROPY_SAMPLE_BYTES);
  return entropyBits(sample) >= MIN_MASKED_BITS || entropyBits(text) >= MIN_MASKED_BITS;
}

/** `value` without white space at its ends: a text that contains the value contains this, whatever was trimmed. */
export function trimBlank(value: Uint8Array): Uint8Array {
  let start = 0;
  let end = value.length;
  while (start < end && isBlank(value[start])) start += 1;
  while (end > start && isBlank(value[end - 1])) end -= 1;
  return value.subarray(start, end);
}

/** The lines of `value`, each trimmed, empty ones left out. */
export function linesOf(value: Uint8Array): Uint8Array[] {
  const lines: Uint8Array[] = [];
  for (let start = 0; start < value.length; ) {
    const newline = value.indexOf(LINE_FEED, start);
    const end = newline === -1 ? value.length : newline;
    const line = trimBlank(value.subarray(start, end));
    if (line.length > 0) lines.push(line);
    start = end + 1;
  }
  return lines;
}

/**
 * What redaction cannot do for a secret of this value, one sentence each; never contains any of it. Empty for a value
 * that is masked whole and line by line.
 */
export function redactionWarnings(value: Uint8Array): string[] {
  const text = trimBlank(value);
  if (text.length < MIN_MASKED_BYTES) {
    return [
      `The value is shorter than ${MIN_MASKED_BYTES} bytes, so logs will show it: masking it would hide unrelated text.`,
    ];
  }
  if (!isMaskable(text)) {
    return [
      "The value has too few different characters, so logs will show it: masking it would hide unrelated text.",
    ];
  }
  const lines = linesOf(text);
  const shownCount = lines.filter((line) => !isMaskableLine(line)).length;
  if (lines.length < 2 || shownCount === 0) return [];
  return [
    `${shownCount} of the value's ${lines.length} lines are too short or too plain to be masked alone; they are masked where the whole value is printed.`,
  ];
}

/** Whether a line of a longer value is masked where it stands alone. */
export function isMaskableLine(line: Uint8Array): boolean {
  return line.length >= MIN_MASKED_LINE_BYTES && isMaskable(line);
}

const LINE_FEED = 0x0a;

const isBlank = (byte: number | undefined): boolean =>
  byte === 0x20 || (byte !== undefined && byte >= 0x09 && byte <= 0x0d);

function entropyBits(text: Uint8Array): number {
  const counts = new Uint32Array(256);
  for (const byte of text) counts[byte] = (counts[byte] ?? 0) + 1;
  let bits = 0;
  for (const count of counts) {
    if (count > 0) bits += count * Math.log2(text.length / count);
  }
  return bits;
}

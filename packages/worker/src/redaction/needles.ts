import { isMaskable, isMaskableLine, linesOf, trimBlank } from "@hodei/domain";
import { base64Forms, base64Pieces, toUrlAlphabet } from "./base64.ts";
import { hexForms, jsonForms, lineEndForms, shellForms, urlForms } from "./encodings.ts";

/**
 * Longer forms are cut into needles of this length: a print of the whole is masked all the same, for the needles lie
 * side by side, and what is held back of a stream stays short.
 */
const MAX_NEEDLE_BYTES = 1_024;
/**
 * Larger values are not looked for percent-encoded, for no common server takes such a URL, nor in every way in which a
 * longer text breaks base64 into lines, which needs twice as many bytes as all else.
 */
const MAX_SMALL_BYTES = 8 * 1024;
/** Characters of a line of base64: OpenSSL and PEM; coreutils and MIME. */
const BASE64_LINE_BYTES = [64, 76];
/** Characters of a line of `xxd -p`. */
const HEX_LINE_BYTES = 60;

/**
 * The texts to look for so that `value` is seen in no form: raw, with other line ends, JSON-escaped, base64, hex,
 * percent-encoded and quoted for shells, each for the whole value and, when that is JSON, for the strings in it; and the
 * lines of both on their own, raw, JSON-escaped and quoted. One character for each byte.
 *
 * Left out is what is too short or too plain to be masked, see `isMaskable`. Not found is a value that is printed in
 * parts of its lines, compressed, encrypted or twice encoded (JSON in JSON is found), a dump with addresses or spaces,
 * and hex in lines of which the first begins with something else.
 */
export function needlesOf(value: Uint8Array): Set<string> {
  const needles = new NeedleSet();
  for (const text of textsOf(value)) {
    needles.add(textForms(text));
    needles.add(base64Forms(text));
    needles.addInLines(hexForms(text), HEX_LINE_BYTES);
    const base64 = text.toString("base64");
    for (const lineBytes of BASE64_LINE_BYTES) {
      needles.addInLines([base64, toUrlAlphabet(base64)], lineBytes);
    }
    if (text.length <= MAX_SMALL_BYTES) {
      needles.add(urlForms(text));
      // However short it is: the line may end within it where it is a part of a longer text.
      needles.add(base64Pieces(text));
    }
    for (const line of linesOf(text).filter(isMaskableLine)) needles.add(textForms(line));
  }
  return needles.texts;
}

class NeedleSet {
  readonly texts = new Set<string>();

  add(forms: readonly string[], maxBytes = MAX_NEEDLE_BYTES): void {
    for (const piece of forms.flatMap((form) => cut(form, maxBytes))) {
      if (isMaskable(Buffer.from(piece, "latin1"))) this.texts.add(piece);
    }
  }

  /** Also where `forms` are printed in lines of `lineBytes`, of which any may stand alone. */
  addInLines(forms: readonly string[], lineBytes: number): void {
    this.add(forms, lineBytes);
    this.add(forms.flatMap((form) => lastLines(form, lineBytes)));
  }
}

/** The value without white space at its ends and, when it is JSON, the strings in it. */
function textsOf(value: Uint8Array): Buffer[] {
  const whole = Buffer.from(trimBlank(value));
  if (!isMaskable(whole)) return [];
  const leaves = jsonStrings(whole.toString()).map((text) =>
    Buffer.from(trimBlank(Buffer.from(text))),
  );
  return [whole, ...leaves.filter(isMaskableLine)];
}

function textForms(text: Uint8Array): string[] {
  const bytes = Buffer.from(text);
  const raw = bytes.toString("latin1");
  return [raw, ...lineEndForms(raw), ...shellForms(raw), ...jsonForms(bytes)];
}

/** All strings in `text` if it is JSON, names of members apart. */
function jsonStrings(text: string): string[] {
  const strings: string[] = [];
  const open: unknown[] = [parseJson(text)];
  // No recursion: JSON may be nested deeper than the stack is.
  while (open.length > 0) {
    const node = open.pop();
    if (typeof node === "string") strings.push(node);
    else if (typeof node === "object" && node !== null) {
      for (const child of Object.values(node)) open.push(child);
    }
  }
  return strings;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** The last two lines of `form`, for the last one may be too short to be looked for alone. */
function lastLines(form: string, lineBytes: number): string[] {
  const lastBytes = form.length % lineBytes;
  if (lastBytes === 0 || form.length <= lineBytes) return [];
  const last = form.slice(-lastBytes);
  const previous = form.slice(-lastBytes - lineBytes, -lastBytes);
  return [`${previous}\n${last}`, `${previous}\r\n${last}`];
}

/** Pieces of `maxBytes` that cover `form`; the last overlaps the one before so that it is as long. */
function cut(form: string, maxBytes: number): string[] {
  if (form.length <= maxBytes) return [form];
  const pieces: string[] = [];
  for (let end = maxBytes; end < form.length; end += maxBytes) {
    pieces.push(form.slice(end - maxBytes, end));
  }
  return [...pieces, form.slice(-maxBytes)];
}

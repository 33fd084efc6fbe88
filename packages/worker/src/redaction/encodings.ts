// The texts as which programs print a value, apart from base64. Each function gives the forms that differ between
// programs; that some are alike for a given value does not matter. A form has one character for each byte.

/** As within the double quotes of a JSON string. Empty for bytes that are not UTF-8: no program makes JSON of those. */
export function jsonForms(value: Buffer): string[] {
  const text = value.toString();
  if (!Buffer.from(text).equals(value)) return [];
  const plain = JSON.stringify(text).slice(1, -1);
  const lower = escapeNonAscii(plain, toLowerHex);
  const upper = escapeNonAscii(plain, toUpperHex);
  const forms = [
    plain,
    lower,
    upper,
    // PHP, and some writers for HTML, escape slashes too.
    ...[plain, lower, upper].map((form) => form.replaceAll("/", "\\/")),
    // Go escapes what has a meaning in HTML.
    plain.replace(/[<>&\u2028\u2029]/g, toLowerHex),
    // JSON within JSON, as in structured logs.
    JSON.stringify(plain).slice(1, -1),
  ];
  return forms.map((form) => Buffer.from(form).toString("latin1"));
}

const toLowerHex = (char: string): string =>
  `\\u${char.charCodeAt(0).toString(16).padStart(4, "0")}`;

const toUpperHex = (char: string): string => `\\u${toLowerHex(char).slice(2).toUpperCase()}`;

/** Without the flag `u`, so that a character beyond 16 bits becomes two escapes, as JSON has it. */
const escapeNonAscii = (json: string, toEscape: (char: string) => string): string =>
  json.replace(/[\u0080-\uffff]/g, toEscape);

/** Bytes that percent-encoding leaves alone, by who encodes, and what a space becomes. */
const PERCENT_ENCODERS: readonly { readonly safe: RegExp; readonly space: string }[] = [
  // RFC 3986: curl, Go, jq.
  { safe: /[\w.~-]/, space: "%20" },
  // encodeURIComponent
  { safe: /[\w.~!*'()-]/, space: "%20" },
  // urllib.parse.quote of Python, then its quote_plus
  { safe: /[\w.~/-]/, space: "%20" },
  { safe: /[\w.~-]/, space: "+" },
  // HTML forms
  { safe: /[\w.*-]/, space: "+" },
  // encodeURI
  { safe: /[\w.~!*'();,/?:@&=+$#-]/, space: "%20" },
  // The password of an address: the URL class of Node.js and browsers, then url.URL of Go
  { safe: /[\w.~!*'()&+,$%-]/, space: "%20" },
  { safe: /[\w.~&=+,;$-]/, space: "%20" },
];

/** Percent-encoded, with either case of hex digits. */
export function urlForms(value: Buffer): string[] {
  return PERCENT_ENCODERS.flatMap(({ safe, space }) => {
    const upper = percentEncode(value, safe).replaceAll("%20", space);
    const lower = upper.replace(/%../g, (code) => code.toLowerCase());
    return [upper, lower];
  });
}

function percentEncode(value: Buffer, safe: RegExp): string {
  const escapes = Array.from({ length: 256 }, (_, byte) => {
    const char = String.fromCharCode(byte);
    if (byte < 0x80 && safe.test(char)) return char;
    return `%${byte.toString(16).toUpperCase().padStart(2, "0")}`;
  });
  return Array.from(value, (byte) => escapes[byte]).join("");
}

/**
 * As shells print a word: within single quotes, within double quotes, with backslashes (`printf %q`), and in `$'…'`
 * (what `printf %q` and `${name@Q}` of bash make of control characters), each without the quotes around it. `text`: one character for each byte.
 */
export function shellForms(text: string): string[] {
  return [
    text.replaceAll("'", "'\\''"),
    text.replaceAll("'", `'"'"'`),
    text.replace(/[\\"$`]/g, "\\$&"),
    text.replace(/[ !"$&'()*;<>?[\\\]^`{|},]|(?<=[:=])~/g, "\\$&"),
    ansiQuote(text, (sequence) => sequence.length > 1),
    // In the C locale every byte beyond ASCII is escaped.
    ansiQuote(text, () => false),
  ];
}

const ANSI_ESCAPES = new Map([
  ["\x07", "\\a"],
  ["\b", "\\b"],
  ["\t", "\\t"],
  ["\n", "\\n"],
  ["\v", "\\v"],
  ["\f", "\\f"],
  ["\r", "\\r"],
  ["\x1b", "\\E"],
]);

/** UTF-8 sequences of one character beyond ASCII, then single bytes that no terminal prints. */
const NOT_PLAIN =
  /[\xc2-\xdf][\x80-\xbf]|[\xe0-\xef][\x80-\xbf]{2}|[\xf0-\xf4][\x80-\xbf]{3}|[^ -~]/g;

function ansiQuote(text: string, isPrintable: (sequence: string) => boolean): string {
  return text
    .replace(/[\\']/g, "\\$&")
    .replace(NOT_PLAIN, (sequence) =>
      isPrintable(sequence) ? sequence : Array.from(sequence, escapeByte).join(""),
    );
}

const escapeByte = (char: string): string =>
  ANSI_ESCAPES.get(char) ?? `\\${char.charCodeAt(0).toString(8).padStart(3, "0")}`;

/** With the other kind of line ends. */
export function lineEndForms(text: string): string[] {
  if (!text.includes("\n")) return [];
  const unix = text.replaceAll("\r\n", "\n");
  return [unix, unix.replaceAll("\n", "\r\n")];
}

export function hexForms(value: Buffer): string[] {
  const hex = value.toString("hex");
  return [hex, hex.toUpperCase()];
}

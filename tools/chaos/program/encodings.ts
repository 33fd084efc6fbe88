// How a job shows a secret, and what a scan for it looks for. Written apart from the redactor, of which it is the judge.

export interface SecretValue {
  readonly name: string;
  readonly value: string;
}

/** One way to write a secret down. `isWhole`: all of it is the secret, so all of it is to be masked. */
export interface Form {
  readonly name: string;
  readonly text: string;
  readonly isWhole: boolean;
}

/** Lines of a secret that are shorter than this are not secret by themselves. Source: `docs/redaction.md`. */
const SECRET_LINE_BYTES_MIN = 8;

/** Every encoding in which redaction promises to find `value`. */
export function formsOf(value: string): readonly Form[] {
  const bytes = Buffer.from(value);
  const whole = (name: string, text: string): Form => ({ name, text, isWhole: true });
  return [
    whole("raw", value),
    whole("crlf", value.replaceAll("\n", "\r\n")),
    whole("base64", bytes.toString("base64")),
    whole("base64url", bytes.toString("base64url")),
    whole("hex", bytes.toString("hex")),
    whole("HEX", bytes.toString("hex").toUpperCase()),
    whole("json", JSON.stringify(value).slice(1, -1)),
    whole("json-in-json", JSON.stringify(JSON.stringify(value).slice(1, -1)).slice(1, -1)),
    whole("percent", encodeURIComponent(value)),
    whole("shell", value.replaceAll("'", String.raw`'\''`)),
    ...[1, 2].map((shift) => ({
      name: `base64+${shift}`,
      text: Buffer.concat([Buffer.from("pq".slice(0, shift)), bytes, Buffer.from("~~")]).toString(
        "base64",
      ),
      isWhole: false,
    })),
  ];
}

/** Texts that must stand nowhere. What a value shares with its neighbours in base64 is cut off. */
export function needlesOf({ value }: SecretValue): readonly Buffer[] {
  const bytes = Buffer.from(value);
  const lines = value
    .split("\n")
    .filter((line) => Buffer.byteLength(line) >= SECRET_LINE_BYTES_MIN);
  const texts = new Set(
    [value, ...lines].flatMap((text) =>
      formsOf(text)
        .filter(({ isWhole }) => isWhole)
        .map((form) => form.text),
    ),
  );
  for (const alphabet of ["base64", "base64url"] as const) {
    for (const shift of [0, 1, 2]) texts.add(innerBase64(bytes, shift, alphabet));
  }
  return [...texts].map((text) => Buffer.from(text));
}

/** The characters of base64 that depend on nothing but `bytes` when `shift` bytes stand before them. */
function innerBase64(bytes: Buffer, shift: number, alphabet: "base64" | "base64url"): string {
  const text = Buffer.concat([Buffer.alloc(shift), bytes])
    .toString(alphabet)
    .replace(/=+$/, "");
  const first = Math.ceil((shift * 8) / 6);
  const last = Math.floor(((shift + bytes.length) * 8) / 6);
  return text.slice(first, last);
}

/** One line that a job prints, and what of it may be read afterwards; `null`: it only has to be masked somewhere. */
export interface SecretLine {
  readonly printed: string;
  readonly shown: string | null;
}

/** All secrets in all forms, a line each. */
export function secretLines(secrets: readonly SecretValue[]): readonly SecretLine[] {
  return secrets.flatMap(({ name, value }) =>
    formsOf(value).map((form) => {
      const start = `${name} ${form.name} [`;
      const printed = `${start}${form.text}]\n`;
      return { printed, shown: form.isWhole ? `${start}***]\n` : null };
    }),
  );
}

/** Where a job prints its line number `index`. */
export const streamOfLine = (index: number): "stdout" | "stderr" =>
  index % 3 === 2 ? "stderr" : "stdout";

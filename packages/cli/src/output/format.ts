import type { CommandContext } from "../context.ts";

/** `text` is for people and may change; `json` and `yaml` are for programs and keep their names. */
export const OUTPUT_FORMATS = ["text", "json", "yaml"] as const;
export type OutputFormat = (typeof OUTPUT_FORMATS)[number];

/** The same thing for programs and for people; only what is asked for is made. */
export interface Printable {
  /** Plain data. */
  readonly data: () => unknown;
  readonly text: () => string;
}

/** Prints one thing, be it a list: one JSON value, one YAML document. */
export async function print(
  context: Pick<CommandContext, "stdout">,
  format: OutputFormat,
  { data, text }: Printable,
): Promise<void> {
  switch (format) {
    case "text":
      return context.stdout.write(text());
    case "json":
      return context.stdout.write(`${JSON.stringify(data(), undefined, 2)}\n`);
    case "yaml":
      return context.stdout.write(await toYaml(data()));
  }
}

/** Prints one of many things that come one by one: a line of JSON, or a YAML document that starts with `---`. */
export async function printEntry(
  context: Pick<CommandContext, "stdout">,
  format: OutputFormat,
  { data, text }: Printable,
): Promise<void> {
  switch (format) {
    case "text":
      return context.stdout.write(text());
    case "json":
      return context.stdout.write(`${JSON.stringify(data())}\n`);
    case "yaml":
      return context.stdout.write(`---\n${await toYaml(data())}`);
  }
}

/** YAML is rarely asked for, so its library is loaded here. */
async function toYaml(data: unknown): Promise<string> {
  const { stringify } = await import("yaml");
  return stringify(data, { lineWidth: 0 });
}

import { SecretForm } from "@hodei/proto/hodei/v1/job";
import { InvalidValue } from "./invalid-value.ts";

export interface SecretRef {
  readonly name: string;
  readonly form: SecretForm;
}

const FORMS: Readonly<Record<string, SecretForm>> = {
  "as-env": SecretForm.ENV,
  "as-file": SecretForm.FILE,
};

/** A secret of a text such as `TOKEN` or `TOKEN=as-file`. @throws InvalidValue */
export function parseSecretRef(text: string): SecretRef {
  const [name = "", ...rest] = text.split("=");
  const form = rest.length === 0 ? SecretForm.ENV : FORMS[rest.join("=")];
  if (form !== undefined) return { name: parseSecretName(name), form };
  // What stands behind the `=` may be a value that was to be secret, so it is not repeated.
  throw new InvalidValue(
    `${JSON.stringify(name)} can be given as ${Object.keys(FORMS).join(" or ")}; its value comes from hodei secrets set`,
  );
}

/** @throws InvalidValue */
export function parseSecretName(text: string): string {
  if (/^[A-Za-z_][A-Za-z0-9_]{0,127}$/.test(text)) return text;
  const [name = ""] = text.split("=");
  throw new InvalidValue(
    name === text
      ? `${JSON.stringify(text)} is not the name of a secret: letters, digits and _, no digit first, 128 at most`
      : "give the name only; the value is read from standard input, as others can see command lines",
  );
}

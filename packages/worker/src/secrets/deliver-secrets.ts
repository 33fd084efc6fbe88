import { join } from "node:path";
import { type SecretForm, secretFileVariable } from "@hodei/domain";
import { AttemptFailure } from "../attempt-failure.ts";
import type { Variable } from "../processes/prelude.ts";
import { MAX_STRING_BYTES } from "../require-program.ts";
import type { MemoryFolders } from "./memory-folders.ts";

/** A secret that an attempt is to get. */
export interface AttemptSecret {
  readonly name: string;
  readonly form: SecretForm;
  /** `null`: the server did not send it. */
  readonly value: Uint8Array | null;
}

/** Secrets on their way into a process. */
export interface Delivery {
  /** Where the files are; no secrets themselves. */
  readonly variables: Readonly<Record<string, string>>;
  /** For the prelude of the command. The values are those of the secrets, not copies. */
  readonly secretVariables: readonly Variable[];
  /** Of the files, if there are any. */
  readonly directory: string | undefined;
  /** Takes the files away. */
  remove(): Promise<void>;
}

/**
 * Makes `secrets` ready for a process: those it wants as files are written to memory, the others are for its prelude. `undefined` if there are none.
 * @throws AttemptFailure `secret_unavailable`
 */
export async function deliverSecrets(
  folders: Pick<MemoryFolders, "create" | "remove">,
  secrets: readonly AttemptSecret[],
): Promise<Delivery | undefined> {
  if (secrets.length === 0) return undefined;
  const received = secrets.map(requireValue);
  const files = received.filter(({ form }) => form === "file");
  const secretVariables = received.filter(({ form }) => form === "env").map(refuseUnfit);
  if (files.length === 0) {
    return { variables: {}, secretVariables, directory: undefined, remove: async () => {} };
  }
  const path = await folders.create(files);
  const paths = files.map(({ name }) => [secretFileVariable(name), join(path, name)]);
  return {
    variables: { HODEI_SECRETS_DIR: path, ...Object.fromEntries(paths) },
    secretVariables,
    directory: path,
    remove: () => folders.remove(path),
  };
}

/** Zeroes the values, which are of no use any more. */
export function forgetSecrets(secrets: readonly AttemptSecret[]): void {
  for (const { value } of secrets) value?.fill(0);
}

type ReceivedSecret = AttemptSecret & { readonly value: Uint8Array };

function requireValue({ name, form, value }: AttemptSecret): ReceivedSecret {
  if (value !== null) return { name, form, value };
  throw new AttemptFailure("secret_unavailable", `The server did not send the secret ${name}.`);
}

function refuseUnfit(secret: ReceivedSecret): ReceivedSecret {
  const { name, value } = secret;
  const hasNul = value.includes(0);
  // With the `=` between them.
  if (!hasNul && name.length + 1 + value.length < MAX_STRING_BYTES) return secret;
  throw new AttemptFailure(
    "secret_unavailable",
    `The secret ${name} ${hasNul ? "has a NUL byte, which no" : "is longer than any"} variable can hold; ask for it as a file.`,
  );
}

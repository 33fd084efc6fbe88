import {
  isPlatformError,
  type Job,
  MAX_JOB_SECRET_BYTES,
  type SecretRef,
  type SecretValue,
} from "@hodei/domain";
import type { Deps } from "./deps.ts";

export type FetchedSecrets =
  | { readonly kind: "found"; readonly values: readonly SecretValue[] }
  /** `message`: one sentence for the author of the job. */
  | { readonly kind: "unavailable"; readonly message: string };

/**
 * The values that `job` asks for, of its own tenant. For one message to a worker; nothing here keeps them.
 * @throws PlatformError `unavailable`: they may be there, and can be asked for again
 */
export async function fetchSecrets(
  { secrets }: Pick<Deps, "secrets">,
  { tenantId }: Pick<Job, "tenantId">,
  refs: readonly SecretRef[],
): Promise<FetchedSecrets> {
  if (refs.length === 0) return { kind: "found", values: [] };
  const names = [...new Set(refs.map(({ name }) => name))];
  let found: ReadonlyMap<string, Uint8Array>;
  try {
    found = await secrets.getValues(tenantId, names);
  } catch (error) {
    if (!isPlatformError(error, "failed_precondition")) throw error;
    return unavailable(`A secret of ${names.join(", ")} cannot be read: ${error.message}.`);
  }
  const missing = names.filter((name) => !found.has(name));
  if (missing.length > 0) {
    return unavailable(`There is no secret ${missing.join(", ")}; set it with hodei secrets set.`);
  }
  const totalBytes = [...found.values()].reduce((sum, { length }) => sum + length, 0);
  if (totalBytes > MAX_JOB_SECRET_BYTES) {
    return unavailable(
      `The secrets have ${totalBytes} bytes together; a job gets ${MAX_JOB_SECRET_BYTES} at most.`,
    );
  }
  return { kind: "found", values: [...found].map(([name, value]) => ({ name, value })) };
}

function unavailable(message: string): FetchedSecrets {
  return { kind: "unavailable", message };
}

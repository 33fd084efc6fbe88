import {
  type Page,
  type PageRequest,
  PlatformError,
  redactionWarnings,
  type Secret,
} from "@hodei/domain";
import type { Deps } from "./deps.ts";
import type { Principal } from "./principal.ts";

type SecretDeps = Pick<Deps, "secrets" | "clock">;

export interface SecretSet {
  readonly secret: Secret;
  /** What redaction cannot do for the value, one sentence each. */
  readonly warnings: readonly string[];
}

/** Makes a secret of the caller's tenant, or gives it a new value. @throws PlatformError `invalid_argument` */
export async function setSecret(
  { secrets, clock }: SecretDeps,
  { name: by, tenantId }: Principal,
  { name, value }: { readonly name: string; readonly value: Uint8Array },
): Promise<SecretSet> {
  const warnings = redactionWarnings(value);
  const secret = await secrets.set({ tenantId, name, value }, { at: clock.now(), by });
  return { secret, warnings };
}

/** The secrets of the caller's tenant by name, without their values. */
export async function listSecrets(
  { secrets }: Pick<Deps, "secrets">,
  { tenantId }: Principal,
  page: PageRequest,
): Promise<Page<Secret>> {
  return secrets.list(tenantId, page);
}

/** Deletes a secret of the caller's tenant. @throws PlatformError `not_found` */
export async function deleteSecret(
  { secrets, clock }: SecretDeps,
  { name: by, tenantId }: Principal,
  name: string,
): Promise<void> {
  if (await secrets.delete({ tenantId, name }, { at: clock.now(), by })) return;
  throw new PlatformError(
    "not_found",
    "secret_not_found",
    `there is no secret ${JSON.stringify(name)}; \`hodei secrets list\` shows those that exist`,
  );
}

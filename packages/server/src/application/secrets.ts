import {
  type Page,
  type PageRequest,
  PlatformError,
  redactionWarnings,
  requestCause,
  type Secret,
  type SecretChange,
} from "@hodei/domain";
import type { Deps } from "./deps.ts";
import type { Caller, Principal } from "./principal.ts";

type SecretDeps = Pick<Deps, "secrets" | "clock">;

export interface SecretSet {
  readonly secret: Secret;
  /** What redaction cannot do for the value, one sentence each. */
  readonly warnings: readonly string[];
}

/** Makes a secret of the caller's tenant, or gives it a new value. @throws PlatformError `invalid_argument` */
export async function setSecret(
  { secrets, clock }: SecretDeps,
  caller: Caller,
  { name, value }: { readonly name: string; readonly value: Uint8Array },
): Promise<SecretSet> {
  const warnings = redactionWarnings(value);
  const secret = await secrets.set(
    { tenantId: caller.tenantId, name, value },
    changeBy(caller, clock.now()),
  );
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
  caller: Caller,
  name: string,
): Promise<void> {
  if (await secrets.delete({ tenantId: caller.tenantId, name }, changeBy(caller, clock.now())))
    return;
  throw new PlatformError(
    "not_found",
    "secret_not_found",
    `there is no secret ${JSON.stringify(name)}; \`hodei secrets list\` shows those that exist`,
  );
}

function changeBy({ name: by, requestId, correlationId }: Caller, at: Date): SecretChange {
  return { at, by, correlationId, causedBy: requestCause(requestId) };
}

import { PlatformError, type TenantId } from "@hodei/domain";

/** Who calls, from the token. */
export interface Principal {
  readonly name: string;
  readonly tenantId: TenantId;
}

/** One call: who makes it, and what the events that it leads to name it by. */
export interface Caller extends Principal {
  readonly requestId: string;
  /** Given by the caller, or the id of the request: shared by all that it sets off, however late. */
  readonly correlationId: string;
}

/** Passes on what belongs to the caller's tenant. What does not is not there, as far as the caller can tell. */
export function ownedBy<T extends { readonly id: string; readonly tenantId: TenantId }>(
  principal: Principal,
  what: "job" | "worker",
  subject: T | undefined,
  id: string,
): T {
  if (subject !== undefined && subject.tenantId === principal.tenantId) return subject;
  throw new PlatformError(
    "not_found",
    `${what}_not_found`,
    `there is no ${what} ${id}; \`hodei ${what}s list\` shows those that exist`,
  );
}

import { PlatformError } from "./errors.ts";

declare const brand: unique symbol;
type Branded<Name extends string> = string & { readonly [brand]: Name };

export type JobId = Branded<"JobId">;
export type WorkerId = Branded<"WorkerId">;
export type TenantId = Branded<"TenantId">;
export type ReplicaId = Branded<"ReplicaId">;
/** Proves the right to write for one attempt; unguessable, new with every assignment. */
export type LeaseToken = Branded<"LeaseToken">;

/** The tenant that owns everything until tenants can be made. */
export const DEFAULT_TENANT_ID = "default" as TenantId;

/** Makes ids: UUIDs, time-ordered (version 7) so that new rows land at the end of an index. */
export interface Ids {
  next(): string;
}

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

/** @throws PlatformError `invalid_argument` */
export function parseJobId(value: string): JobId {
  return parseUuid(value, "job") as JobId;
}

/** @throws PlatformError `invalid_argument` */
export function parseWorkerId(value: string): WorkerId {
  return parseUuid(value, "worker") as WorkerId;
}

function parseUuid(value: string, what: string): string {
  const lower = value.toLowerCase();
  if (UUID.test(lower)) return lower;
  throw new PlatformError(
    "invalid_argument",
    "malformed_id",
    `"${value.slice(0, 64)}" is no ${what} id; ids look like 01890a5d-ac96-774b-bcce-b302099a8057`,
  );
}

import { ManualClock } from "@hodei/testkit";
import { type LogStoreOptions, PostgresLogStore } from "./log-store.ts";

/** A store whose tenants may store what they like, but for `parts`. */
export function newLogStore(
  address: LogStoreOptions["address"],
  parts: Partial<LogStoreOptions> = {},
): PostgresLogStore {
  return new PostgresLogStore({
    address,
    clock: new ManualClock(),
    tenantBytesPerDay: Number.MAX_SAFE_INTEGER,
    onTenantLimit: () => undefined,
    ...parts,
  });
}

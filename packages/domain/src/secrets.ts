import type { Cause } from "./cause.ts";
import { PlatformError } from "./errors.ts";
import type { TenantId } from "./ids.ts";
import type { Page, PageRequest } from "./stores.ts";

/** Longest value, in bytes: a quarter of what Linux takes as one variable, and more than keys and certificates need. */
export const MAX_SECRET_BYTES = 64 * 1024;
/** Most bytes of all secrets of one job: with the rest of its environment, half of what Linux takes. */
export const MAX_JOB_SECRET_BYTES = 1024 * 1024;
const MAX_NAME_LENGTH = 128;

/** How an attempt receives a secret: as a variable of its name, or as a file whose path is in `<name>_FILE`. */
export type SecretForm = "env" | "file";

/** A secret that a job asks for. Values never stand in a spec. */
export interface SecretRef {
  readonly name: string;
  readonly form: SecretForm;
}

/** All that is known of a secret without its value. */
export interface Secret {
  readonly tenantId: TenantId;
  readonly name: string;
  /** 1 for the first value; grows by one with each. */
  readonly version: number;
  readonly createdAt: Date;
  readonly updatedAt: Date;
}

export interface NewSecretValue {
  readonly tenantId: TenantId;
  readonly name: string;
  /** Left as it is; the caller may zero it afterwards. */
  readonly value: Uint8Array;
}

/** A value on its way to the attempt that asked for it. */
export interface SecretValue {
  readonly name: string;
  readonly value: Uint8Array;
}

/** A fact about a secret; never its value. */
export interface SecretEvent {
  readonly type: "set" | "deleted";
  readonly at: Date;
  /** Who did it. */
  readonly by: string;
  readonly correlationId: string;
  readonly causedBy: Cause;
}

export type SecretChange = Omit<SecretEvent, "type">;

/**
 * Secrets by tenant and name. A write and its event are stored together, or neither is. Nothing that this stores gives a
 * value away to who lacks the master key.
 */
export interface SecretStore {
  /** Makes the secret, or gives it a new value and version. Of several at once each gets a version of its own. */
  set(secret: NewSecretValue, change: SecretChange): Promise<Secret>;
  /** By name. */
  list(tenantId: TenantId, page: PageRequest): Promise<Page<Secret>>;
  /** `false` if there is none of that name. */
  delete(secret: Pick<Secret, "tenantId" | "name">, change: SecretChange): Promise<boolean>;
  /**
   * The latest values by name; names that the tenant does not have are left out.
   * @throws PlatformError `failed_precondition`, reason `secret_unreadable`, if what is stored is not what was stored
   */
  getValues(tenantId: TenantId, names: readonly string[]): Promise<ReadonlyMap<string, Uint8Array>>;
}

/**
 * A key that never leaves its keeper (a file, a key service): it wraps the keys that encrypt data. `context` is bound to
 * what is wrapped, and must be the same to unwrap it.
 */
export interface MasterKey {
  wrap(dataKey: Uint8Array, context: Uint8Array): Promise<Uint8Array>;
  /** @throws PlatformError `failed_precondition`, reason `secret_unreadable`, for another key, context or changed bytes */
  unwrap(wrapped: Uint8Array, context: Uint8Array): Promise<Uint8Array>;
}

/** Name of the variable that holds the path of a secret that comes as a file. */
export const secretFileVariable = (name: string): string => `${name}_FILE`;

/** What is wrong with a name, or `undefined`. It has to do as the name of a variable and of a file. */
function secretNameViolation(name: string): string | undefined {
  if (name.length > MAX_NAME_LENGTH || !/^[A-Za-z_][A-Za-z0-9_]*$/.test(name)) {
    return `a secret's name has letters, digits and _, no digit first, ${MAX_NAME_LENGTH} characters at most`;
  }
  if (name.startsWith("HODEI_")) {
    return "names starting with HODEI_ are reserved; choose another";
  }
  return undefined;
}

/** @throws PlatformError `invalid_argument`, reason `invalid_secret` */
export function checkSecret({ name, value }: Omit<NewSecretValue, "tenantId">): void {
  const violation = secretNameViolation(name) ?? valueViolation(value);
  if (violation === undefined) return;
  throw new PlatformError("invalid_argument", "invalid_secret", violation);
}

function valueViolation({ length }: Uint8Array): string | undefined {
  if (length >= 1 && length <= MAX_SECRET_BYTES) return undefined;
  return `the value has ${length} bytes; give 1 to ${MAX_SECRET_BYTES}`;
}

/** What is wrong with the secrets that a job with this environment asks for, one sentence each. */
export function secretViolations(
  secrets: readonly SecretRef[],
  env: Readonly<Record<string, string>>,
): string[] {
  const taken = new Set(Object.keys(env));
  return secrets.flatMap(({ name, form }) => {
    const violation = secretNameViolation(name);
    if (violation !== undefined) return [`secrets.${name.slice(0, MAX_NAME_LENGTH)}: ${violation}`];
    const variable = form === "env" ? name : secretFileVariable(name);
    if (taken.has(variable)) return [`secrets.${name}: the variable ${variable} is given twice`];
    taken.add(variable);
    return [];
  });
}

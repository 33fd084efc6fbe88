import {
  type CommitListener,
  checkSecret,
  type NewSecretValue,
  type Page,
  type PageRequest,
  PlatformError,
  type Secret,
  type SecretChange,
  type SecretStore,
  secretEventRecord,
  type TenantId,
} from "@hodei/domain";
import { compareText } from "./pages.ts";

interface SecretRow {
  readonly secret: Secret;
  readonly value: Uint8Array;
}

/** Secrets that live as long as their process. */
export class MemorySecretStore implements SecretStore {
  readonly #rows = new Map<string, SecretRow>();
  readonly #onCommit: CommitListener;

  constructor({ onCommit }: { readonly onCommit: CommitListener }) {
    this.#onCommit = onCommit;
  }

  async set(newValue: NewSecretValue, change: SecretChange): Promise<Secret> {
    checkSecret(newValue);
    const { tenantId, name, value } = newValue;
    const before = this.#rows.get(keyOf(newValue))?.secret;
    const secret: Secret = {
      tenantId,
      name,
      version: (before?.version ?? 0) + 1,
      createdAt: before?.createdAt ?? change.at,
      updatedAt: change.at,
    };
    this.#rows.set(keyOf(secret), { secret, value: value.slice() });
    this.#onCommit([secretEventRecord(secret, { ...change, type: "set" })]);
    return secret;
  }

  async list(tenantId: TenantId, { limit, token }: PageRequest): Promise<Page<Secret>> {
    const after = token === null ? "" : parseToken(token);
    const rest = [...this.#rows.values()]
      .map(({ secret }) => secret)
      .filter((secret) => secret.tenantId === tenantId && compareText(secret.name, after) > 0)
      .toSorted((a, b) => compareText(a.name, b.name));
    const items = rest.slice(0, limit);
    return { items, nextToken: rest.length > limit ? `/${items.at(-1)?.name}` : null };
  }

  async delete(key: Pick<Secret, "tenantId" | "name">, change: SecretChange): Promise<boolean> {
    const row = this.#rows.get(keyOf(key));
    if (row === undefined) return false;
    this.#rows.delete(keyOf(key));
    this.#onCommit([secretEventRecord(row.secret, { ...change, type: "deleted" })]);
    return true;
  }

  async getValues(
    tenantId: TenantId,
    names: readonly string[],
  ): Promise<ReadonlyMap<string, Uint8Array>> {
    const values = new Map<string, Uint8Array>();
    for (const name of names) {
      const row = this.#rows.get(keyOf({ tenantId, name }));
      if (row !== undefined) values.set(name, row.value.slice());
    }
    return values;
  }
}

const keyOf = ({ tenantId, name }: Pick<Secret, "tenantId" | "name">): string =>
  JSON.stringify([tenantId, name]);

function parseToken(token: string): string {
  if (token.startsWith("/")) return token.slice(1);
  throw new PlatformError(
    "invalid_argument",
    "malformed_page_token",
    "the page token is not one that a list returned; start without one",
  );
}

import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { after, before, type TestContext, test } from "node:test";
import type { EventRecord, TenantId } from "@hodei/domain";
import { secretStoreContract, startTestPostgres, type TestPostgres } from "@hodei/testkit";
import pg from "pg";
import { masterKeyOf } from "../secrets/master-key-file.ts";
import { PostgresSecretStore } from "./secret-store.ts";

let postgres: TestPostgres;
before(async () => {
  postgres = await startTestPostgres();
});
after(() => postgres.stop());

const KEY = masterKeyOf(randomBytes(32));
const ACME = "acme" as TenantId;
const CHANGE = { at: new Date(0), by: "alice", correlationId: "c", causedBy: "request/1" };
const VALUE = "correct horse battery staple";

secretStoreContract("PostgresSecretStore", async () => {
  const { url, drop } = await postgres.createDatabase();
  const events: EventRecord[] = [];
  const secrets = new PostgresSecretStore({
    address: url,
    openMasterKey: async () => KEY,
    onCommit: (committed) => events.push(...committed),
  });
  await secrets.start();
  const close = async () => {
    await secrets.stop();
    await drop();
  };
  return { secrets, events, close };
});

/** A database, and stores on it by the master keys that they open. */
async function scene(context: TestContext) {
  const { url, drop } = await postgres.createDatabase();
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  const stores: PostgresSecretStore[] = [];
  context.after(async () => {
    await Promise.all(stores.map((store) => store.stop()));
    await client.end();
    await drop();
  });
  const store = (key = KEY, asked: boolean[] = []) => {
    const made = new PostgresSecretStore({
      address: url,
      openMasterKey: async (isInUse) => {
        asked.push(isInUse);
        return key;
      },
      onCommit: () => {},
    });
    stores.push(made);
    return made;
  };
  return { client, store };
}

async function tables(client: pg.Client): Promise<string> {
  const { rows } = await client.query<{ row: string }>(`
    select t::text as row from secret t
    union all select t::text from master_key_proof t
    union all select t::text from event t`);
  return rows.map(({ row }) => row).join("\n");
}

test("no table holds the value, in clear or in base64 or hex", async (context) => {
  const { client, store } = await scene(context);
  const secrets = store();
  await secrets.start();
  const value = Buffer.from(VALUE);
  await secrets.set({ tenantId: ACME, name: "A", value }, CHANGE);
  const dump = await tables(client);
  assert.match(dump, /secret\.set/);
  for (const encoding of ["utf8", "base64", "hex"] as const) {
    assert.ok(!dump.includes(value.toString(encoding)), encoding);
  }
});

test("a row that was changed or moved is refused, never returned", async (context) => {
  const { client, store } = await scene(context);
  const secrets = store();
  await secrets.start();
  const set = () => secrets.set({ tenantId: ACME, name: "A", value: Buffer.from(VALUE) }, CHANGE);
  const changes = [
    "update secret set sealed_value = set_byte(sealed_value, 20, get_byte(sealed_value, 20) # 1)",
    "update secret set wrapped_key = set_byte(wrapped_key, 0, get_byte(wrapped_key, 0) # 128)",
    "update secret set sealed_value = substring(sealed_value from 1 for 27)",
    "update secret set sealed_value = ''",
    "update secret set version = version + 1",
  ];
  for (const change of changes) {
    await set();
    await client.query(change);
    await assert.rejects(
      secrets.getValues(ACME, ["A"]),
      { code: "failed_precondition", reason: "secret_unreadable" },
      change,
    );
  }
  await set();
  await client.query("update secret set tenant_id = 'other', name = 'B'");
  await assert.rejects(secrets.getValues("other" as TenantId, ["B"]), {
    reason: "secret_unreadable",
  });
});

test("a store with another master key does not start, and changes nothing", async (context) => {
  const { client, store } = await scene(context);
  const asked: boolean[] = [];
  const secrets = store(KEY, asked);
  await secrets.start();
  await secrets.set({ tenantId: ACME, name: "A", value: Buffer.from(VALUE) }, CHANGE);
  const before = await tables(client);
  await assert.rejects(store(masterKeyOf(randomBytes(32)), asked).start(), {
    code: "failed_precondition",
    reason: "wrong_secret_key",
  });
  assert.equal(await tables(client), before);
  const again = store(KEY, asked);
  await again.start();
  assert.equal(Buffer.from((await again.getValues(ACME, ["A"])).get("A") ?? []).toString(), VALUE);
  assert.deepEqual(asked, [false, true, true], "a key may be made only while none is in use");
});

test("of several first servers with keys of their own, one starts", async (context) => {
  const { store } = await scene(context);
  const results = await Promise.allSettled(
    Array.from({ length: 4 }, () => store(masterKeyOf(randomBytes(32))).start()),
  );
  assert.equal(results.filter(({ status }) => status === "fulfilled").length, 1);
});

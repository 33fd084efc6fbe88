import { after, before } from "node:test";
import { logStoreContract, startTestPostgres, type TestPostgres } from "@hodei/testkit";
import { PostgresLogStore } from "./log-store.ts";
import { PostgresDatabase } from "./postgres-database.ts";

let postgres: TestPostgres;
before(async () => {
  postgres = await startTestPostgres();
});
after(() => postgres.stop());

logStoreContract("PostgresLogStore", async () => {
  const { url, drop } = await postgres.createDatabase();
  const database = new PostgresDatabase({ address: url, onCommit: () => undefined });
  const stores = [new PostgresLogStore({ address: url })];
  const reopen = () => {
    const store = new PostgresLogStore({ address: url, connectionsMax: 2 });
    stores.push(store);
    return store;
  };
  const close = async () => {
    await Promise.all(stores.map((store) => store.stop()));
    await database.stop();
    await drop();
  };
  return { logs: stores[0] ?? reopen(), database, reopen, close };
});

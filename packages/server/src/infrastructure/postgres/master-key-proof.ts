import { isPlatformError, type MasterKey, PlatformError } from "@hodei/domain";
import type { Sql, Statement } from "./sql.ts";

/** Gives the master key. `isInUse`: something is stored under one already, so none may be made. */
export type OpenMasterKey = (isInUse: boolean) => Promise<MasterKey>;

/** The known text and its context. */
const TEXT = Buffer.from("this is the master key");
const CONTEXT = Buffer.from("hodei.master-key-proof");

const FIND: Statement = {
  text: "select wrapped from master_key_proof where tenant_id = 'default'",
};
const INSERT: Statement = {
  text: "insert into master_key_proof (wrapped) values ($1) on conflict do nothing",
};

/**
 * The master key, once it has been shown to be the one under which secrets are stored. The first server that comes
 * stores the proof; nothing that is there is ever written over.
 * @throws PlatformError `failed_precondition`, reason `wrong_secret_key`, and as `open` does
 */
export async function proveMasterKey(sql: Sql, open: OpenMasterKey): Promise<MasterKey> {
  const isInUse = (await findProof(sql)) !== undefined;
  const key = await open(isInUse);
  if (!isInUse) await sql.run(INSERT, [await key.wrap(TEXT, CONTEXT)]);
  // Read again: of several first servers, one was faster.
  const proof = await findProof(sql);
  if (proof !== undefined && (await opens(key, proof))) return key;
  throw new PlatformError(
    "failed_precondition",
    "wrong_secret_key",
    "the master key is not the one under which the database's secrets are stored; give the file with the right one with HODEI_SERVER_SECRET_KEY_FILE (replicas share one)",
  );
}

async function findProof(sql: Sql): Promise<Uint8Array | undefined> {
  const [row] = await sql.run<{ readonly wrapped: Uint8Array }>(FIND, []);
  return row?.wrapped;
}

async function opens(key: MasterKey, proof: Uint8Array): Promise<boolean> {
  return key.unwrap(proof, CONTEXT).then(
    (text) => TEXT.equals(text),
    (error: unknown) => {
      if (isPlatformError(error, "failed_precondition")) return false;
      throw error;
    },
  );
}

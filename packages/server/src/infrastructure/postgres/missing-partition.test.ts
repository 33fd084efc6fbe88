import assert from "node:assert/strict";
import { test } from "node:test";
import pg from "pg";
import { missingPartitionOf } from "./missing-partition.ts";

/** As the driver makes it of what PostgreSQL sends: texts are in the language of its `lc_messages`, the other fields never are. */
function refusal(detail: string): pg.DatabaseError {
  const error = new pg.DatabaseError("…", 1, "error");
  const fields = { code: "23514", schema: "public", table: "finished_job", detail };
  return Object.assign(error, { ...fields, routine: "ExecFindPartition" });
}

test("a missing partition is known in every language of the database", () => {
  // Source: src/backend/po of PostgreSQL 18.
  for (const before of [
    "Partition key of the failing row contains",
    "La llave de particionamiento de la fila que falla contiene",
    "Partitionierungsschlüssel der fehlgeschlagenen Zeile enthält",
    "La clé de partitionnement de la ligne en échec contient",
  ]) {
    assert.deepEqual(
      missingPartitionOf(refusal(`${before} (kept_until) = (2026-03-02 00:00:00+00).`)),
      { table: "finished_job", key: "2026-03-02 00:00:00+00" },
      before,
    );
  }
});

test("a row that breaks a check of the table is something else", () => {
  const error = refusal("Failing row contains (1, null) = (2).");
  Object.assign(error, { constraint: "job_end_check", routine: "ExecConstraints" });
  assert.equal(missingPartitionOf(error), undefined);
});

import assert from "node:assert/strict";
import { test } from "node:test";
import { findAccount } from "./database-user.ts";

const ROOT = "root:x:0:0:root:/root:/bin/bash";
const NOBODY = "nobody:x:99:98:Nobody:/:/sbin/nologin";
const POSTGRES = "postgres:x:101:104::/var/lib/postgresql:/bin/bash";

test("PostgreSQL's own account comes before nobody, whatever the order", () => {
  assert.deepEqual(findAccount([ROOT, NOBODY, POSTGRES].join("\n")), { uid: 101, gid: 104 });
  assert.deepEqual(findAccount([ROOT, NOBODY].join("\n")), { uid: 99, gid: 98 });
});

test("without such accounts, or with unusable ones, it is the customary number of nobody", () => {
  const nobody = { uid: 65534, gid: 65534 };
  assert.deepEqual(findAccount(""), nobody);
  assert.deepEqual(findAccount("postgres:x:0:0::/:/bin/sh\nnobody:*:-2:-2::/:/bin/false"), nobody);
});

import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { test } from "node:test";
import type { TenantId } from "@hodei/domain";
import fc from "fast-check";
import { type EnvelopeOwner, seal, unseal } from "./envelope.ts";
import { masterKeyOf } from "./master-key-file.ts";

const KEY = masterKeyOf(randomBytes(32));
const anyOwner: fc.Arbitrary<EnvelopeOwner> = fc.record({
  tenantId: fc.string().map((text) => text as TenantId),
  name: fc.string(),
  version: fc.nat(),
});
const anyValue = fc.uint8Array({ maxLength: 500 });
const refused = { code: "failed_precondition", reason: "secret_unreadable" };

test("what was sealed opens for its owner, and holds no trace of the value", async () => {
  await fc.assert(
    fc.asyncProperty(anyOwner, anyValue, async (owner, value) => {
      const envelope = await seal(KEY, owner, value);
      assert.deepEqual(Buffer.from(await unseal(KEY, owner, envelope)), Buffer.from(value));
      if (value.length < 8) return;
      assert.equal(Buffer.from(envelope.sealedValue).indexOf(value), -1);
    }),
  );
});

test("two seals of one value have nothing in common", async () => {
  const owner = { tenantId: "t" as TenantId, name: "A", version: 1 };
  const [a, b] = [await seal(KEY, owner, randomBytes(1)), await seal(KEY, owner, randomBytes(1))];
  assert.notDeepEqual(a.sealedValue, b.sealedValue);
  assert.notDeepEqual(a.wrappedKey, b.wrappedKey);
});

test("one changed bit anywhere, or another owner or key, is refused", async () => {
  await fc.assert(
    fc.asyncProperty(anyOwner, anyOwner, anyValue, fc.nat(), async (owner, other, value, at) => {
      const envelope = await seal(KEY, owner, value);
      const parts = [envelope.wrappedKey, envelope.sealedValue] as const;
      for (const part of parts) {
        const index = at % part.length;
        const changed = Uint8Array.from(part);
        changed[index] = (changed[index] ?? 0) ^ (1 << (at % 8));
        const forged = {
          wrappedKey: part === parts[0] ? changed : parts[0],
          sealedValue: part === parts[1] ? changed : parts[1],
        };
        await assert.rejects(unseal(KEY, owner, forged), refused);
      }
      await assert.rejects(unseal(masterKeyOf(randomBytes(32)), owner, envelope), refused);
      if (JSON.stringify(owner) === JSON.stringify(other)) return;
      await assert.rejects(unseal(KEY, other, envelope), refused);
    }),
  );
});

import assert from "node:assert/strict";
import { suite, type TestContext, test } from "node:test";
import {
  type EventRecord,
  MAX_SECRET_BYTES,
  type Secret,
  type SecretStore,
  type TenantId,
} from "@hodei/domain";
import fc from "fast-check";
import { after } from "../builders.ts";

/** An empty store, and what was reported after its commits. */
export interface SecretStoreFixture {
  readonly secrets: SecretStore;
  readonly events: readonly EventRecord[];
  close(): Promise<void>;
}

type Open = (context: TestContext) => Promise<SecretStoreFixture>;

const ACME = "acme" as TenantId;
const OTHER = "other" as TenantId;

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const change = (ms: number) => ({
  at: after(ms),
  by: "alice",
  correlationId: "deploy-7",
  causedBy: "request/1",
});

/** What every store of secrets has to do. */
export function secretStoreContract(name: string, open: () => Promise<SecretStoreFixture>): void {
  suite(`${name} is a secret store`, () => {
    const openFor: Open = async (context) => {
      const fixture = await open();
      context.after(() => fixture.close());
      return fixture;
    };
    testValues(openFor);
    testVersions(openFor);
    testLists(openFor);
    testRefusals(openFor);
  });
}

function testValues(open: Open): void {
  test("what is set comes back byte for byte, whatever the bytes", async (context) => {
    const { secrets } = await open(context);
    const anyValue = fc.uint8Array({ minLength: 1, maxLength: 300 });
    await fc.assert(
      fc.asyncProperty(anyValue, async (value) => {
        const given = value.slice();
        await secrets.set({ tenantId: ACME, name: "KEY", value }, change(1));
        assert.deepEqual(value, given, "the caller's bytes are left alone");
        const found = await secrets.getValues(ACME, ["KEY"]);
        assert.deepEqual(Buffer.from(found.get("KEY") ?? []), Buffer.from(given));
      }),
      { numRuns: 30 },
    );
  });

  test("a value of the largest size comes back", async (context) => {
    const { secrets } = await open(context);
    const value = new Uint8Array(MAX_SECRET_BYTES).map((_, index) => index % 251);
    await secrets.set({ tenantId: ACME, name: "LARGE", value }, change(1));
    const found = await secrets.getValues(ACME, ["LARGE"]);
    assert.deepEqual(Buffer.from(found.get("LARGE") ?? []), Buffer.from(value));
  });

  test("values are by name and tenant; what is not there is left out", async (context) => {
    const { secrets } = await open(context);
    await secrets.set({ tenantId: ACME, name: "A", value: bytes("of acme") }, change(1));
    await secrets.set({ tenantId: OTHER, name: "A", value: bytes("of other") }, change(2));
    await secrets.set({ tenantId: OTHER, name: "B", value: bytes("b") }, change(3));
    const found = await secrets.getValues(ACME, ["A", "B", "C"]);
    assert.deepEqual([...found.keys()], ["A"]);
    assert.deepEqual(Buffer.from(found.get("A") ?? []).toString(), "of acme");
    assert.equal((await secrets.getValues(ACME, [])).size, 0);
  });
}

function testVersions(open: Open): void {
  test("each value has a version and an event, neither shows the value", async (context) => {
    const { secrets, events } = await open(context);
    const key = { tenantId: ACME, name: "TOKEN" };
    const first = await secrets.set({ ...key, value: bytes("hunter2-one") }, change(1));
    const stored = { ...key, createdAt: after(1) };
    assert.deepEqual(first, { ...stored, version: 1, updatedAt: after(1) });
    const second = await secrets.set({ ...key, value: bytes("hunter2-two") }, change(5));
    assert.deepEqual(second, { ...stored, version: 2, updatedAt: after(5) });
    const found = await secrets.getValues(ACME, ["TOKEN"]);
    assert.equal(Buffer.from(found.get("TOKEN") ?? []).toString(), "hunter2-two");
    assert.equal(await secrets.delete(key, change(6)), true);
    assert.equal(await secrets.delete(key, change(7)), false);
    assert.equal((await secrets.getValues(ACME, ["TOKEN"])).size, 0);
    assert.ok(events.every((event) => event.correlationId === "deploy-7"));
    assert.ok(events.every((event) => event.causedBy === "request/1"));
    assert.deepEqual(
      events.map(({ type, subjectId, version, at, data }) => [type, subjectId, version, at, data]),
      [
        ["secret.set", "TOKEN", 1, after(1), { by: "alice" }],
        ["secret.set", "TOKEN", 2, after(5), { by: "alice" }],
        ["secret.deleted", "TOKEN", 2, after(6), { by: "alice" }],
      ],
    );
    assert.ok(!JSON.stringify([events, first, second]).includes("hunter2"));
  });

  test("of many who set a secret at once each gets a version of its own", async (context) => {
    const { secrets } = await open(context);
    const set = await Promise.all(
      Array.from({ length: 10 }, (_, index) =>
        secrets.set({ tenantId: ACME, name: "RACE", value: bytes(`value ${index}`) }, change(1)),
      ),
    );
    const versions = set.map(({ version }) => version).toSorted((a, b) => a - b);
    assert.deepEqual(
      versions,
      versions.map((_, index) => index + 1),
    );
    const last = set.findIndex(({ version }) => version === 10);
    const found = await secrets.getValues(ACME, ["RACE"]);
    assert.equal(Buffer.from(found.get("RACE") ?? []).toString(), `value ${last}`);
  });

  test("the secrets of another tenant cannot be deleted", async (context) => {
    const { secrets } = await open(context);
    await secrets.set({ tenantId: ACME, name: "A", value: bytes("a") }, change(1));
    assert.equal(await secrets.delete({ tenantId: OTHER, name: "A" }, change(2)), false);
    assert.equal((await secrets.getValues(ACME, ["A"])).size, 1);
  });
}

function testLists(open: Open): void {
  test("lists are by tenant and name, in pages", async (context) => {
    const { secrets } = await open(context);
    for (const name of ["b", "_x", "A", "a", "B2", "B"]) {
      await secrets.set({ tenantId: ACME, name, value: bytes("v") }, change(1));
    }
    await secrets.set({ tenantId: OTHER, name: "C", value: bytes("v") }, change(1));
    for (const limit of [1, 2, 6, 100]) {
      const names: string[] = [];
      let token: string | null = null;
      do {
        const page: { items: readonly Secret[]; nextToken: string | null } = await secrets.list(
          ACME,
          { limit, token },
        );
        assert.ok(page.items.length <= limit);
        names.push(...page.items.map(({ name }) => name));
        token = page.nextToken;
      } while (token !== null);
      assert.deepEqual(names, ["A", "B", "B2", "_x", "a", "b"]);
    }
    await assert.rejects(secrets.list(ACME, { limit: 1, token: "!" }), {
      code: "invalid_argument",
      reason: "malformed_page_token",
    });
  });
}

function testRefusals(open: Open): void {
  test("names that are no variables, and values that are empty or too long, are refused", async (context) => {
    const { secrets, events } = await open(context);
    const names = ["", "1A", "A-B", "HODEI_X", "A=B", "../A", "A".repeat(129)];
    for (const name of names) {
      await assert.rejects(
        secrets.set({ tenantId: ACME, name, value: bytes("v") }, change(1)),
        { code: "invalid_argument", reason: "invalid_secret" },
        name,
      );
    }
    for (const length of [0, MAX_SECRET_BYTES + 1]) {
      const value = new Uint8Array(length);
      await assert.rejects(secrets.set({ tenantId: ACME, name: "A", value }, change(1)), {
        code: "invalid_argument",
        reason: "invalid_secret",
      });
    }
    assert.deepEqual(events, []);
  });
}

import assert from "node:assert/strict";
import { test } from "node:test";
import { createContextValues } from "@connectrpc/connect";
import { DEFAULT_TENANT_ID } from "@hodei/domain";
import { SequenceIds } from "@hodei/testkit";
import { principalKey } from "./authenticate.ts";
import { CORRELATION_HEADER, getCaller } from "./caller.ts";

const TRACE = "4bf92f3577b34da6a3ce929d0e0e4736";
const TRACEPARENT = `00-${TRACE}-00f067aa0ba902b7-01`;

function callWith(header: Readonly<Record<string, string>>) {
  const values = createContextValues();
  values.set(principalKey, { name: "alice", tenantId: DEFAULT_TENANT_ID });
  const responseHeader = new Headers();
  const context = { values, requestHeader: new Headers(header), responseHeader };
  const caller = getCaller({ ids: new SequenceIds(1) }, context);
  assert.equal(responseHeader.get(CORRELATION_HEADER), caller.correlationId);
  return caller;
}

test("the correlation id is the caller's own, else that of its trace, else the request's", () => {
  const given = { [CORRELATION_HEADER]: "build-7", traceparent: TRACEPARENT };
  assert.equal(callWith(given).correlationId, "build-7");
  assert.equal(callWith({ traceparent: TRACEPARENT }).correlationId, TRACE);
  const { requestId, correlationId, name } = callWith({});
  assert.equal(correlationId, requestId);
  assert.equal(name, "alice");
});

test("a header that holds no id counts as absent", () => {
  const malformed = [
    { [CORRELATION_HEADER]: "x".repeat(129) },
    { [CORRELATION_HEADER]: "two words" },
    { traceparent: `00-${"0".repeat(32)}-00f067aa0ba902b7-01` },
    { traceparent: "00-xyz-00f067aa0ba902b7-01" },
  ];
  for (const header of malformed) {
    const { requestId, correlationId } = callWith(header);
    assert.equal(correlationId, requestId, JSON.stringify(header));
  }
});

test("a call without a principal is refused", () => {
  const context = {
    values: createContextValues(),
    requestHeader: new Headers(),
    responseHeader: new Headers(),
  };
  assert.throws(() => getCaller({ ids: new SequenceIds(1) }, context), { code: "unauthenticated" });
});

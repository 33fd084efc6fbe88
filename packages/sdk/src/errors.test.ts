import assert from "node:assert/strict";
import { test } from "node:test";
import { Code, ConnectError } from "@connectrpc/connect";
import { HodeiError, REASON_HEADER, toHodeiError } from "./errors.ts";

const withCause = (code: Code, systemCode: string) =>
  new ConnectError(
    "broken",
    code,
    undefined,
    undefined,
    Object.assign(new Error("broken"), { code: systemCode }),
  );

test("every status has a code of ours", () => {
  for (const code of Object.values(Code)) {
    if (typeof code !== "number") continue;
    const { code: name, message } = toHodeiError(new ConnectError("why", code));
    assert.match(name, /^[a-z_]+$/);
    assert.match(message, /why/);
  }
});

test("the reason comes from the server, and is the code where the server gave none", () => {
  const told = new ConnectError("no", Code.FailedPrecondition, { [REASON_HEADER]: "job_running" });
  assert.equal(toHodeiError(told).reason, "job_running");
  assert.equal(toHodeiError(new ConnectError("no", Code.NotFound)).reason, "not_found");
});

test("a broken connection is unavailable, however it broke", () => {
  const failures = [
    new ConnectError("http/2 stream closed with error code CANCEL (0x8)", Code.Canceled),
    withCause(Code.Aborted, "ECONNRESET"),
    withCause(Code.Internal, "ERR_HTTP2_SESSION_ERROR"),
  ];
  for (const failure of failures) {
    const { code, reason } = toHodeiError(failure);
    assert.deepEqual({ code, reason }, { code: "unavailable", reason: "connection_lost" });
  }
});

test("what a server says of itself is not taken for a broken connection", () => {
  const told = new ConnectError("protocol error: missing trailer", Code.InvalidArgument);
  told.isWireError = true;
  assert.equal(toHodeiError(told).code, "invalid_argument");
});

test("a server that cannot be reached is told from one that was lost", () => {
  const { code, reason, next } = toHodeiError(withCause(Code.Unavailable, "ECONNREFUSED"));
  assert.deepEqual({ code, reason }, { code: "unavailable", reason: "unreachable" });
  assert.match(next ?? "", /address/);
});

test("what the caller aborted is cancelled", () => {
  const signal = AbortSignal.abort();
  assert.equal(toHodeiError(new ConnectError("x", Code.Canceled), signal).code, "cancelled");
});

test("an error that is one of ours already is not wrapped", () => {
  const error = new HodeiError("not_found", "not_found", "no such job");
  assert.equal(toHodeiError(error), error);
});

import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { Code, ConnectError, createClient, createRouterTransport } from "@connectrpc/connect";
import {
  Health,
  HealthCheckResponse_ServingStatus as Status,
} from "@hodei/proto/grpc/health/v1/health";
import { SequenceIds } from "@hodei/testkit";
import { HealthState, healthService } from "./health.ts";
import { recordLog } from "./listener-fixtures.test.ts";
import { translateErrors } from "./translate-errors.ts";

function serve() {
  const state = new HealthState();
  const interceptors = [translateErrors({ log: recordLog(), ids: new SequenceIds() })];
  const transport = createRouterTransport(
    (router) => router.service(Health, healthService(state)),
    { router: { interceptors } },
  );
  return { state, client: createClient(Health, transport) };
}

suite("health", () => {
  test("what was shut down never serves again", async () => {
    const { state, client } = serve();
    state.set("", "serving");
    state.shutDown();
    state.set("", "serving");
    assert.equal((await client.check({})).status, Status.NOT_SERVING);
  });

  test("check tells the state, of the whole and of each service", async () => {
    const { state, client } = serve();
    state.set("", "serving");
    state.set("hodei.v1.JobService", "not_serving");
    assert.equal((await client.check({})).status, Status.SERVING);
    const { status } = await client.check({ service: "hodei.v1.JobService" });
    assert.equal(status, Status.NOT_SERVING);
  });

  test("check of an unknown service is not found", async () => {
    await assert.rejects(serve().client.check({ service: "x" }), (error: unknown) => {
      return ConnectError.from(error).code === Code.NotFound;
    });
  });

  test("watch tells the state, then each change of it, and none of others", async () => {
    const { state, client } = serve();
    const abort = new AbortController();
    const responses = client.watch({ service: "a" }, { signal: abort.signal });
    const iterator = responses[Symbol.asyncIterator]();
    const next = async () => (await iterator.next()).value?.status;
    assert.equal(await next(), Status.SERVICE_UNKNOWN);
    state.set("b", "serving");
    state.set("a", "not_serving");
    assert.equal(await next(), Status.NOT_SERVING);
    state.set("a", "not_serving");
    state.set("a", "serving");
    assert.equal(await next(), Status.SERVING);
    abort.abort();
    await assert.rejects(iterator.next());
  });
});

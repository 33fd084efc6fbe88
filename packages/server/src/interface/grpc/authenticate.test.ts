import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { suite, test } from "node:test";
import type { TLSSocket } from "node:tls";
import {
  Code,
  ConnectError,
  createClient,
  createContextValues,
  createRouterTransport,
} from "@connectrpc/connect";
import { DEFAULT_TENANT_ID, PlatformError, type TenantId, type WorkerId } from "@hodei/domain";
import { JobService } from "@hodei/proto/hodei/v1/job_service";
import { WorkerService } from "@hodei/proto/hodei/v1/worker_service";
import { SequenceIds } from "@hodei/testkit";
import {
  authenticateToken,
  authenticateWorker,
  type Gate,
  getPrincipal,
  getWorkerId,
  principalKey,
  socketKey,
  workerKey,
} from "./authenticate.ts";
import { recordLog } from "./listener-fixtures.test.ts";
import { translateErrors } from "./translate-errors.ts";

const hashOf = (token: string) => createHash("sha256").update(token).digest("hex");
const ALICE = { name: "alice", tenantId: DEFAULT_TENANT_ID };
const BOB = { name: "bob", tenantId: "other" as TenantId };

async function codeOf(call: Promise<unknown>): Promise<{ code: Code; reason: string | null }> {
  try {
    await call;
  } catch (error) {
    const { code, metadata } = ConnectError.from(error);
    return { code, reason: metadata.get("hodei-reason") };
  }
  throw new Error("the call was let in");
}

suite("token", () => {
  /** Answers with the caller's name and tenant. */
  function clientWith(gate?: Gate) {
    const interceptors = [translateErrors({ log: recordLog(), ids: new SequenceIds() })];
    const transport = createRouterTransport(
      (router) =>
        router.service(JobService, {
          getJob: (_, context) => {
            const { name, tenantId } = getPrincipal(context);
            return { job: { name, tenantId } };
          },
        }),
      { router: { interceptors, ...(gate && { requestGate: gate }) } },
    );
    return createClient(JobService, transport);
  }

  const client = clientWith(
    authenticateToken([
      { hash: hashOf("token-of-alice"), principal: ALICE },
      { hash: hashOf("token-of-bob"), principal: BOB },
    ]),
  );
  const call = (authorization?: string) =>
    client.getJob({}, { headers: authorization === undefined ? {} : { authorization } });

  test("each token stands for its caller", async () => {
    assert.equal((await call("Bearer token-of-alice")).job?.name, "alice");
    const { job } = await call("bearer  token-of-bob");
    assert.deepEqual([job?.name, job?.tenantId], ["bob", "other"]);
  });

  test("no token, and what is none, is refused with what to do", async () => {
    for (const authorization of [undefined, "", "Bearer", "Bearer ", "Basic YTpi", "a b c"]) {
      assert.deepEqual(await codeOf(call(authorization)), {
        code: Code.Unauthenticated,
        reason: "no_token",
      });
    }
    await assert.rejects(call(), /authorization: Bearer <token>/);
  });

  test("an unknown token is refused", async () => {
    for (const token of ["token-of-carol", "token-of-alic", "token-of-alicee", hashOf("x")]) {
      assert.deepEqual(await codeOf(call(`Bearer ${token}`)), {
        code: Code.Unauthenticated,
        reason: "unknown_token",
      });
    }
  });

  test("a service that was served without a gate lets nobody in", async () => {
    assert.equal((await codeOf(clientWith().getJob({}))).code, Code.Unauthenticated);
  });
});

suite("worker", () => {
  const WORKER_ID = "w" as WorkerId;
  const context = (method: "register" | "session", socket?: TLSSocket) => {
    const values = createContextValues().set(socketKey, socket);
    return { values, method: WorkerService.method[method] } as unknown as Parameters<Gate>[0];
  };

  test("a session is its certificate's worker's", () => {
    const opened = context("session", {} as TLSSocket);
    authenticateWorker(() => WORKER_ID)(opened);
    assert.equal(getWorkerId(opened), WORKER_ID);
    assert.equal(opened.values.get(principalKey), undefined);
  });

  test("a session without a certificate of ours is refused", () => {
    const gate = authenticateWorker(() => {
      throw new PlatformError("unauthenticated", "worker_certificate_refused", "no");
    });
    for (const socket of [{} as TLSSocket, undefined]) {
      const opened = context("session", socket);
      assert.throws(() => gate(opened), { code: Code.Unauthenticated });
      assert.throws(() => getWorkerId(opened), { code: "unauthenticated" });
    }
  });

  test("registration asks for no certificate", () => {
    const opened = context("register");
    authenticateWorker(() => WORKER_ID)(opened);
    assert.equal(opened.values.get(workerKey), undefined);
  });
});

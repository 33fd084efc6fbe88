import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, afterEach, before, suite, test } from "node:test";
import { connect } from "node:tls";
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import { type Client, Code, ConnectError, createClient } from "@connectrpc/connect";
import { createGrpcTransport, Http2SessionManager } from "@connectrpc/connect-node";
import type { WorkerId } from "@hodei/domain";
import { ExitReason } from "@hodei/proto/hodei/v1/job";
import { LogStream } from "@hodei/proto/hodei/v1/log_service";
import {
  type SessionRequest,
  SessionRequestSchema,
  type SessionResponse,
  WorkerService,
} from "@hodei/proto/hodei/v1/worker_service";
import { START, waitFor } from "@hodei/testkit";
import { dispatchAssignments } from "../../application/dispatch-assignments.ts";
import { ALICE, find, submit, testDeps } from "../../application/fixtures.test.ts";
import { registerWorker } from "../../application/register-worker.ts";
import { scheduleJobs } from "../../application/schedule-jobs.ts";
import { createJoinToken } from "../../application/workers.ts";
import {
  type LocalCertificateAuthority,
  openCertificateAuthority,
} from "../../infrastructure/tls/certificate-authority.ts";
import { joinTokenCodec } from "../../infrastructure/tls/join-token-codec.ts";
import { getPeerWorkerId } from "../../infrastructure/tls/peer-identity.ts";
import { createRequest } from "../../infrastructure/tls/tls-fixtures.test.ts";
import type { HttpListener } from "./http-listener.ts";
import { startProxy } from "./listener-fixtures.test.ts";
import { createWorkerListener, type WorkerListenerOptions } from "./worker-listener.ts";

type RequestInit = NonNullable<MessageInitShape<typeof SessionRequestSchema>["message"]>;

const CAPACITY = { cpuMillis: 4_000, memoryBytes: 2n ** 33n, diskBytes: 2n ** 36n };
const HELLO: RequestInit = { case: "hello", value: { arch: "x64", capacity: CAPACITY } };

interface Credentials {
  readonly key: string;
  readonly cert: string;
}

/** A worker's end of a session: says what the test says, and hears one message at a time. */
class Speaker {
  readonly #said: SessionRequest[] = [];
  #wake: () => void = () => undefined;
  #ended = false;
  readonly #heard: AsyncIterator<SessionResponse>;

  constructor(client: Client<typeof WorkerService>) {
    this.#heard = client.session(this.#requests())[Symbol.asyncIterator]();
  }

  say(message: RequestInit): void {
    this.#said.push(create(SessionRequestSchema, { message }));
    this.#wake();
  }

  end(): void {
    this.#ended = true;
    this.#wake();
  }

  /** The next message; `undefined` when the stream ends well. */
  async hear(): Promise<SessionResponse["message"] | undefined> {
    return (await this.#heard.next()).value?.message;
  }

  async *#requests(): AsyncGenerator<SessionRequest> {
    while (!this.#ended || this.#said.length > 0) {
      yield* this.#said.splice(0);
      if (this.#ended) continue;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }
}

suite("worker listener", () => {
  let base: string;
  let authority: LocalCertificateAuthority;
  let deps: ReturnType<typeof testDeps>;
  let listener: HttpListener;
  const cleanups: (() => unknown)[] = [];

  before(async () => {
    base = await mkdtemp(join(tmpdir(), "hodei-worker-listener-"));
    authority = await openCertificateAuthority(join(base, "ca"));
    deps = testDeps({
      certificateAuthority: authority,
      joinTokens: joinTokenCodec(authority.rootFingerprint),
    });
    listener = await start();
  });
  after(async () => {
    await listener.stop();
    await rm(base, { recursive: true, force: true });
  });
  afterEach(async () => {
    for (const cleanup of cleanups.splice(0)) await cleanup();
  });

  async function start(options: Partial<WorkerListenerOptions> = {}): Promise<HttpListener> {
    const created = createWorkerListener(deps, {
      host: "127.0.0.1",
      port: 0,
      certificate: await authority.issueServerCertificate([]),
      rootPem: authority.rootPem,
      identifyWorker: getPeerWorkerId,
      ...options,
    });
    await created.start();
    return created;
  }

  function clientFor(
    credentials: Partial<Credentials> = {},
    port = listener.address.port,
  ): Client<typeof WorkerService> {
    const baseUrl = `https://localhost:${port}`;
    const connection = new Http2SessionManager(
      baseUrl,
      {},
      {
        ca: authority.rootPem,
        ...credentials,
      },
    );
    cleanups.push(() => connection.abort());
    return createClient(
      WorkerService,
      createGrpcTransport({ baseUrl, sessionManager: connection }),
    );
  }

  async function credentialsFor(
    workerId: WorkerId,
    from: LocalCertificateAuthority = authority,
  ): Promise<Credentials> {
    const { requestDer, keyPem } = await createRequest();
    return {
      key: keyPem,
      cert: (await from.issueWorkerCertificate(requestDer, workerId)).chainPem,
    };
  }

  const makeToken = () => createJoinToken(deps, ALICE, { pool: "joined", ttlMs: 60_000 });

  /** A worker that has registered. */
  async function newWorker(): Promise<WorkerId> {
    const { token } = await makeToken();
    const { requestDer } = await createRequest();
    const request = { joinToken: token, certificateRequest: requestDer };
    return (await registerWorker(deps, request)).workerId;
  }

  async function registeredClient(): Promise<{
    workerId: WorkerId;
    client: Client<typeof WorkerService>;
  }> {
    const { token } = await makeToken();
    const { requestDer, keyPem } = await createRequest();
    const request = { joinToken: token, certificateRequest: requestDer };
    const registered = await clientFor().register(request);
    const credentials = { key: keyPem, cert: registered.certificateChain };
    return { workerId: registered.workerId as WorkerId, client: clientFor(credentials) };
  }

  async function openedSession() {
    const registered = await registeredClient();
    const speaker = new Speaker(registered.client);
    speaker.say(HELLO);
    const welcome = await speaker.hear();
    assert.equal(welcome?.case, "welcome");
    return { ...registered, speaker };
  }

  const worker = (id: WorkerId) => deps.database.readers.workers.get(id);

  suite("registration", () => {
    test("needs no certificate, and gives one that opens a session", async () => {
      const { workerId, speaker } = await openedSession();
      assert.equal((await worker(workerId)).state, "ready");
      speaker.end();
      assert.equal(await speaker.hear(), undefined);
      await waitFor(async () => (await worker(workerId)).connectBy !== null);
    });

    test("spends the token", async () => {
      const { token } = await makeToken();
      const { requestDer } = await createRequest();
      const request = { joinToken: token, certificateRequest: requestDer };
      await clientFor().register(request);
      await assert.rejects(clientFor().register(request), hasCode(Code.Unauthenticated));
    });

    test("with a bad request does not spend the token", async () => {
      const { token } = await makeToken();
      const bad = { joinToken: token, certificateRequest: new Uint8Array([1, 2, 3]) };
      await assert.rejects(clientFor().register(bad), hasCode(Code.InvalidArgument));
      const { requestDer } = await createRequest();
      await clientFor().register({ joinToken: token, certificateRequest: requestDer });
    });

    test("with a token of nobody is refused", async () => {
      const { requestDer: certificateRequest } = await createRequest();
      const joinToken = "hodei-join.no.token";
      const call = clientFor().register({ joinToken, certificateRequest });
      await assert.rejects(call, hasCode(Code.Unauthenticated));
    });
  });

  suite("a session is refused", () => {
    async function refusalOf(credentials: Partial<Credentials>): Promise<ConnectError> {
      const speaker = new Speaker(clientFor(credentials));
      speaker.say(HELLO);
      try {
        await speaker.hear();
      } catch (error) {
        return ConnectError.from(error);
      }
      throw new Error("the session was opened");
    }

    test("without a certificate", async () => {
      const { code, metadata } = await refusalOf({});
      assert.equal(code, Code.Unauthenticated);
      assert.equal(metadata.get("hodei-reason"), "worker_certificate_refused");
    });

    test("with a certificate of another authority", async () => {
      const stranger = await openCertificateAuthority(join(base, "stranger"));
      const credentials = await credentialsFor(await newWorker(), stranger);
      assert.equal((await refusalOf(credentials)).code, Code.Unauthenticated);
    });

    test("with an expired certificate", async () => {
      const past = await openCertificateAuthority(join(base, "ca"), { workerLifetimeMs: -60_000 });
      const error = await refusalOf(await credentialsFor(await newWorker(), past));
      assert.equal(error.code, Code.Unauthenticated);
      assert.match(error.message, /expired/);
    });

    test("with the certificate of a server", async () => {
      const { keyPem, chainPem } = await authority.issueServerCertificate([]);
      const { code } = await refusalOf({ key: keyPem, cert: chainPem });
      assert.equal(code, Code.Unauthenticated);
    });

    test("for a worker that does not exist", async () => {
      const ghost = "00000000-0000-7000-8000-0000000000ff" as WorkerId;
      assert.equal((await refusalOf(await credentialsFor(ghost))).code, Code.NotFound);
    });

    test("with a wrong first message, an invalid one, or none", async () => {
      const credentials = await credentialsFor(await newWorker());
      const first = async (message?: RequestInit) => {
        const speaker = new Speaker(clientFor(credentials));
        if (message === undefined) speaker.end();
        else speaker.say(message);
        await speaker.hear();
      };
      const heartbeat: RequestInit = { case: "heartbeat", value: {} };
      await assert.rejects(first(heartbeat), hasCode(Code.FailedPrecondition));
      await assert.rejects(first({ case: "hello", value: {} }), hasCode(Code.InvalidArgument));
      await assert.rejects(first({ case: undefined }), hasCode(Code.InvalidArgument));
      await assert.rejects(first(), hasCode(Code.FailedPrecondition));
    });
  });

  suite("an open session", () => {
    test("carries a job from assignment to result", async () => {
      const { speaker } = await openedSession();
      const job = await submit(deps);
      await scheduleJobs(deps);
      await dispatchAssignments(deps);
      const assignment = await speaker.hear();
      assert.ok(assignment?.case === "assignment");
      const { ref } = assignment.value;
      assert.ok(ref);
      assert.equal(ref.jobId, job.id);
      const data = Buffer.from("hello\n");
      const segments = [{ stream: LogStream.STDOUT, length: 6, time: timestampFromDate(START) }];
      speaker.say({ case: "attemptStarted", value: { ref } });
      speaker.say({ case: "logBatch", value: { ref, data, segments } });
      const ack = await speaker.hear();
      assert.ok(ack?.case === "logAck");
      assert.equal(ack.value.offset, 6n);
      const outcome = { reason: ExitReason.COMPLETED, exitCode: 0 };
      speaker.say({ case: "attemptFinished", value: { ref, outcome, logBytes: 6n } });
      const result = await speaker.hear();
      assert.ok(result?.case === "resultAck" && result.value.accepted);
      assert.equal((await find(deps, job)).state, "succeeded");
      speaker.end();
      await speaker.hear();
    });

    test("ends with an invalid message or a second hello, and its end is stored", async () => {
      const bad: [RequestInit, Code][] = [
        [{ case: "attemptStarted", value: {} }, Code.InvalidArgument],
        [HELLO, Code.FailedPrecondition],
      ];
      for (const [message, code] of bad) {
        const { workerId, speaker } = await openedSession();
        speaker.say(message);
        await assert.rejects(speaker.hear(), hasCode(code));
        await waitFor(async () => (await worker(workerId)).connectBy !== null);
      }
    });

    test("ends well when the same worker opens another", async () => {
      const { client, speaker } = await openedSession();
      const second = new Speaker(client);
      second.say(HELLO);
      assert.equal((await second.hear())?.case, "welcome");
      assert.equal(await speaker.hear(), undefined);
      second.end();
      await second.hear();
    });

    test("is over when the connection is cut", async () => {
      const { workerId } = await openedSession();
      for (const cleanup of cleanups.splice(0)) await cleanup();
      await waitFor(async () => (await worker(workerId)).connectBy !== null);
    });

    test("is over when its peer is gone without a word", async () => {
      const impatient = await start({ ping: { intervalMs: 50, timeoutMs: 200 } });
      cleanups.push(() => impatient.stop());
      const proxy = await startProxy(impatient.address.port);
      cleanups.push(proxy.stop);
      const workerId = await newWorker();
      const speaker = new Speaker(clientFor(await credentialsFor(workerId), proxy.port));
      speaker.say(HELLO);
      await speaker.hear();
      proxy.fallSilent();
      await waitFor(async () => (await worker(workerId)).connectBy !== null);
    });

    test("goes on when the listener shows another certificate", async () => {
      const { speaker, workerId } = await openedSession();
      listener.setCertificate(await authority.issueServerCertificate([]));
      const { workerId: other } = await registeredClient();
      assert.notEqual(other, workerId);
      speaker.say({ case: "goingAway", value: {} });
      await waitFor(async () => (await worker(workerId)).drainRequestedAt !== null);
      speaker.end();
      await speaker.hear();
    });

    test("ends as unavailable and is stored as ended when the listener stops", async () => {
      const second = await start();
      const workerId = await newWorker();
      const port = second.address.port;
      const speaker = new Speaker(clientFor(await credentialsFor(workerId), port));
      speaker.say(HELLO);
      await speaker.hear();
      const started = Date.now();
      const [ended] = await Promise.allSettled([speaker.hear(), second.stop()]);
      assert.ok(ended.status === "rejected");
      assert.equal(ConnectError.from(ended.reason).code, Code.Unavailable);
      assert.notEqual((await worker(workerId)).connectBy, null);
      assert.ok(Date.now() - started < 3_000);
    });
  });

  test("the chain that is shown holds the root, and only HTTP/2 is spoken", async () => {
    const { port } = listener.address;
    const options = { port, host: "127.0.0.1", servername: "localhost", ca: authority.rootPem };
    const socket = connect({ ...options, ALPNProtocols: ["h2"] });
    await once(socket, "secureConnect");
    const leaf = socket.getPeerCertificate(true);
    assert.equal(socket.alpnProtocol, "h2");
    assert.equal(socket.getProtocol(), "TLSv1.3");
    const root = leaf.issuerCertificate.issuerCertificate;
    assert.equal(root.fingerprint256, root.issuerCertificate.fingerprint256);
    socket.destroy();
    const http1 = connect({ ...options, ALPNProtocols: ["http/1.1"] });
    await once(http1, "error");
    const none = connect(options);
    none.resume();
    await once(none, "close");
  });
});

function hasCode(code: Code): (error: unknown) => boolean {
  return (error) => {
    assert.equal(ConnectError.from(error).code, code, String(error));
    return true;
  };
}

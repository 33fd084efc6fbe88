import assert from "node:assert/strict";
import { X509Certificate } from "node:crypto";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, suite, test } from "node:test";
import {
  type ConnectionOptions,
  connect,
  createServer,
  type Server,
  type TLSSocket,
} from "node:tls";
import { parseWorkerId, type WorkerId } from "@hodei/domain";
import {
  type LocalCertificateAuthority,
  openCertificateAuthority,
} from "./certificate-authority.ts";
import { getPeerWorkerId } from "./peer-identity.ts";
import { createRequest } from "./tls-fixtures.test.ts";

const WORKER_ID = parseWorkerId("01890a5d-ac96-774b-bcce-b302099a8057");
const REFUSED = { code: "unauthenticated", reason: "worker_certificate_refused" };

suite("peer identity", () => {
  let base: string;
  let authority: LocalCertificateAuthority;
  let server: Server;

  before(async () => {
    base = await mkdtemp(join(tmpdir(), "hodei-peer-"));
    authority = await openCertificateAuthority(join(base, "ca"));
    const { keyPem, chainPem } = await authority.issueServerCertificate([]);
    server = createServer({
      key: keyPem,
      cert: chainPem,
      ca: authority.rootPem,
      requestCert: true,
      rejectUnauthorized: false,
    });
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
  });
  after(async () => {
    server.close();
    await rm(base, { recursive: true, force: true });
  });

  /** What the server makes of a client that shows `credentials`. */
  async function identify(credentials: ConnectionOptions, now?: Date): Promise<WorkerId> {
    const accepted = once(server, "secureConnection");
    const { port } = server.address() as AddressInfo;
    const client = connect({
      port,
      host: "127.0.0.1",
      servername: "localhost",
      ca: authority.rootPem,
      ...credentials,
    });
    try {
      const [socket] = (await accepted) as [TLSSocket];
      return getPeerWorkerId(socket, now);
    } finally {
      client.destroy();
    }
  }

  async function workerCredentials(from: LocalCertificateAuthority): Promise<ConnectionOptions> {
    const { requestDer, keyPem } = await createRequest();
    const { chainPem } = await from.issueWorkerCertificate(requestDer, WORKER_ID);
    return { key: keyPem, cert: chainPem };
  }

  test("a worker's certificate gives the worker", async () => {
    assert.equal(await identify(await workerCredentials(authority)), WORKER_ID);
  });

  test("a resumed connection is the same peer, refused or not", async () => {
    const stranger = await openCertificateAuthority(join(base, "stranger-2"));
    for (const from of [authority, stranger]) {
      const credentials = await workerCredentials(from);
      const { port } = server.address() as AddressInfo;
      const options = { port, servername: "localhost", ca: authority.rootPem, ...credentials };
      const first = connect({ host: "127.0.0.1", ...options }).resume();
      const [session] = (await once(first, "session")) as [Buffer];
      first.destroy();
      let reused = false;
      server.once("secureConnection", (socket: TLSSocket) => {
        reused = socket.isSessionReused();
      });
      const resumed = identify({ ...credentials, session });
      if (from === authority) assert.equal(await resumed, WORKER_ID);
      else await assert.rejects(resumed, REFUSED);
      assert.ok(reused);
    }
  });

  test("no certificate is refused", async () => {
    await assert.rejects(identify({}), { ...REFUSED, message: /no client certificate/ });
  });

  test("a certificate of another authority is refused", async () => {
    const stranger = await openCertificateAuthority(join(base, "stranger"));
    await assert.rejects(identify(await workerCredentials(stranger)), REFUSED);
  });

  test("an expired certificate is refused, by the handshake or later on the open connection", async () => {
    const past = await openCertificateAuthority(join(base, "ca"), { workerLifetimeMs: -60_000 });
    await assert.rejects(identify(await workerCredentials(past)), {
      ...REFUSED,
      message: /CERT_HAS_EXPIRED/,
    });
    const later = new Date(Date.now() + 31 * 86_400_000);
    await assert.rejects(identify(await workerCredentials(authority), later), {
      ...REFUSED,
      message: /expired on/,
    });
  });

  test("a server's certificate is no worker's", async () => {
    const { keyPem, chainPem } = await authority.issueServerCertificate([]);
    await assert.rejects(identify({ key: keyPem, cert: chainPem }), REFUSED);
  });

  test("a certificate without a worker's name is refused", () => {
    const socket = { authorized: true, authorizationError: null as unknown as Error };
    const getPeerX509Certificate = () => new X509Certificate(authority.rootPem);
    assert.throws(() => getPeerWorkerId({ ...socket, getPeerX509Certificate }), {
      ...REFUSED,
      message: /names no worker/,
    });
  });
});

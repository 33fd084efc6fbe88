import assert from "node:assert/strict";
import { X509Certificate } from "node:crypto";
import { chmod, mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { hostname, tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, suite, test } from "node:test";
import { parseWorkerId } from "@hodei/domain";
import { openCertificateAuthority } from "./certificate-authority.ts";
import { createRequest, splitPem } from "./tls-fixtures.test.ts";

const WORKER_ID = parseWorkerId("01890a5d-ac96-774b-bcce-b302099a8057");
const DAY_MS = 86_400_000;

suite("certificate authority", () => {
  let base: string;
  let dir: string;

  beforeEach(async () => {
    base = await mkdtemp(join(tmpdir(), "hodei-ca-"));
    dir = join(base, "data", "ca");
  });
  afterEach(() => rm(base, { recursive: true, force: true }));

  test("the first start creates the files, for the owner only, and the next one opens them", async () => {
    const first = await openCertificateAuthority(dir);
    const second = await openCertificateAuthority(dir);
    assert.equal(second.rootFingerprint, first.rootFingerprint);
    assert.deepEqual((await readdir(dir)).sort(), [
      "intermediate.crt",
      "intermediate.key",
      "root.crt",
      "root.key",
    ]);
    assert.equal((await stat(dir)).mode & 0o777, 0o700);
    for (const key of ["root.key", "intermediate.key"]) {
      assert.equal((await stat(join(dir, key))).mode & 0o777, 0o600);
    }
    assert.deepEqual(await readdir(join(base, "data")), ["ca"]);
  });

  test("a folder that is there but empty is filled", async () => {
    await mkdir(dir, { recursive: true });
    const { rootFingerprint } = await openCertificateAuthority(dir);
    assert.equal((await openCertificateAuthority(dir)).rootFingerprint, rootFingerprint);
  });

  test("openings that race all get the same authority", async () => {
    const opened = await Promise.all(
      Array.from({ length: 8 }, () => openCertificateAuthority(dir)),
    );
    assert.equal(new Set(opened.map(({ rootFingerprint }) => rootFingerprint)).size, 1);
    assert.deepEqual(await readdir(join(base, "data")), ["ca"]);
  });

  test("a worker's certificate names the worker and chains to the root", async () => {
    const authority = await openCertificateAuthority(dir);
    const { requestDer, publicKeyPem } = await createRequest();
    const { chainPem, expiresAt } = await authority.issueWorkerCertificate(requestDer, WORKER_ID);
    const [leaf, intermediate] = splitPem(chainPem).map((pem) => new X509Certificate(pem));
    assert.ok(leaf && intermediate);
    const root = new X509Certificate(authority.rootPem);
    assert.equal(leaf.subjectAltName, `URI:spiffe://hodei/worker/${WORKER_ID}`);
    assert.equal(leaf.subject, `CN=${WORKER_ID}`);
    assert.deepEqual(leaf.keyUsage, ["1.3.6.1.5.5.7.3.2"]);
    assert.equal(leaf.ca, false);
    assert.equal(leaf.publicKey.export({ type: "spki", format: "pem" }), publicKeyPem);
    assert.ok(leaf.verify(intermediate.publicKey) && leaf.checkIssued(intermediate));
    assert.ok(intermediate.verify(root.publicKey) && intermediate.checkIssued(root));
    assert.equal(leaf.validToDate.getTime(), expiresAt.getTime());
    const lifetimeDays = (expiresAt.getTime() - Date.now()) / DAY_MS;
    assert.ok(lifetimeDays > 29.9 && lifetimeDays <= 30);
    assert.ok(Date.now() - leaf.validFromDate.getTime() >= 5 * 60_000);
  });

  test("no two certificates share a serial number", async () => {
    const authority = await openCertificateAuthority(dir);
    const { requestDer } = await createRequest();
    const issued = await Promise.all(
      Array.from({ length: 20 }, () => authority.issueWorkerCertificate(requestDer, WORKER_ID)),
    );
    const serials = issued.map(({ chainPem }) => new X509Certificate(chainPem).serialNumber);
    assert.equal(new Set(serials).size, 20);
  });

  test("a bad certificate request is refused", async () => {
    const authority = await openCertificateAuthority(dir);
    const { requestDer } = await createRequest();
    const forged = Uint8Array.from(requestDer);
    forged.set([(forged.at(-1) ?? 0) ^ 1], forged.length - 1);
    const otherCurve = await createRequest({ name: "ECDSA", namedCurve: "P-384", hash: "SHA-384" });
    const rsa = await createRequest({
      name: "RSASSA-PKCS1-v1_5",
      modulusLength: 2048,
      publicExponent: new Uint8Array([1, 0, 1]),
      hash: "SHA-256",
    });
    const bad = [
      forged,
      otherCurve.requestDer,
      rsa.requestDer,
      new Uint8Array(0),
      new Uint8Array(9),
    ];
    for (const request of bad) {
      await assert.rejects(authority.issueWorkerCertificate(request, WORKER_ID), {
        code: "invalid_argument",
        reason: "bad_certificate_request",
      });
    }
  });

  test("a server's certificate carries all names, and its chain the root", async () => {
    const authority = await openCertificateAuthority(dir);
    const { chainPem } = await authority.issueServerCertificate(["hodei.example.org", "10.1.2.3"]);
    const chain = splitPem(chainPem).map((pem) => new X509Certificate(pem));
    const [leaf, , root] = chain;
    assert.ok(leaf && root);
    assert.equal(chain.length, 3);
    assert.equal(root.fingerprint256, new X509Certificate(authority.rootPem).fingerprint256);
    for (const name of ["localhost", "hodei.example.org", hostname()])
      assert.ok(leaf.checkHost(name));
    for (const address of ["127.0.0.1", "::1", "10.1.2.3"]) assert.ok(leaf.checkIP(address));
    assert.deepEqual(leaf.keyUsage, ["1.3.6.1.5.5.7.3.1"]);
  });

  test("a name that no certificate can carry is refused", async () => {
    const authority = await openCertificateAuthority(dir);
    for (const name of ["", "a b", "fe80::1%eth0", "x".repeat(254), "münchen.de"]) {
      await assert.rejects(authority.issueServerCertificate([name]), { reason: "bad_hostname" });
    }
  });

  test("no leaf outlives the intermediate, and nothing is issued after its end", async () => {
    await openCertificateAuthority(dir);
    let now = Date.now() + 1_820 * DAY_MS;
    const authority = await openCertificateAuthority(dir, { now: () => new Date(now) });
    const { requestDer } = await createRequest();
    const { chainPem, expiresAt } = await authority.issueWorkerCertificate(requestDer, WORKER_ID);
    const [, intermediate] = splitPem(chainPem).map((pem) => new X509Certificate(pem));
    assert.equal(expiresAt.getTime(), intermediate?.validToDate.getTime());
    now += 10 * DAY_MS;
    const expired = { code: "failed_precondition", reason: "ca_expired" };
    await assert.rejects(authority.issueWorkerCertificate(requestDer, WORKER_ID), expired);
    await assert.rejects(openCertificateAuthority(dir, { now: () => new Date(now) }), expired);
  });

  test("keys or a folder that others can get at are refused, with the command that helps", async () => {
    await openCertificateAuthority(dir);
    await chmod(join(dir, "root.key"), 0o640);
    const tooOpen = { code: "failed_precondition", reason: "ca_permissions_too_open" };
    await assert.rejects(openCertificateAuthority(dir), {
      ...tooOpen,
      message: /chmod 600 .*root\.key/,
    });
    await chmod(join(dir, "root.key"), 0o600);
    await chmod(dir, 0o770);
    await assert.rejects(openCertificateAuthority(dir), { ...tooOpen, message: /chmod 700/ });
  });

  test("damage is named", async () => {
    await openCertificateAuthority(dir);
    const other = join(base, "other");
    await openCertificateAuthority(other);
    const damaged = { code: "failed_precondition", reason: "ca_damaged" };
    for (const name of ["root.crt", "root.key", "intermediate.crt", "intermediate.key"]) {
      const path = join(dir, name);
      const content = await readFile(path, "utf8");
      await writeFile(path, await readFile(join(other, name), "utf8"));
      await assert.rejects(openCertificateAuthority(dir), damaged, `${name} of another authority`);
      await writeFile(path, "no PEM");
      await assert.rejects(openCertificateAuthority(dir), {
        ...damaged,
        message: new RegExp(name),
      });
      await rm(path);
      await assert.rejects(openCertificateAuthority(dir), {
        reason: "ca_unreadable",
        message: new RegExp(`${name} is missing`),
      });
      await writeFile(path, content, { mode: 0o600 });
    }
    await openCertificateAuthority(dir);
  });

  test("a place that cannot be written is named", async () => {
    await writeFile(join(base, "file"), "");
    await assert.rejects(openCertificateAuthority(join(base, "file", "ca")), {
      code: "failed_precondition",
      message: /file\/ca/,
    });
  });
});

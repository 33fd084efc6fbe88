import assert from "node:assert/strict";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { Code, ConnectError, type ConnectRouter } from "@connectrpc/connect";
import {
  Health,
  HealthCheckResponse_ServingStatus as Status,
} from "@hodei/proto/grpc/health/v1/health";
import { EventService } from "@hodei/proto/hodei/v1/event_service";
import { JobService } from "@hodei/proto/hodei/v1/job_service";
import { WorkerAdminService } from "@hodei/proto/hodei/v1/worker_admin_service";
import { createInProcessClient, HodeiError } from "@hodei/sdk";
import { temporaryFolder } from "@hodei/testkit";
import { runCli } from "../run-cli.ts";
import { fakeContext } from "../testing/fake-context.ts";
import { readVersion } from "../version.ts";

interface Server {
  readonly status?: Status;
  readonly version?: string;
  readonly date?: string;
  /** What a call that reads jobs is answered. */
  readonly jobsError?: Code;
  readonly workerCount?: number;
  readonly deadLetterCount?: number;
}

const routesOf =
  ({
    status = Status.SERVING,
    version,
    date,
    jobsError,
    workerCount = 1,
    deadLetterCount = 0,
  }: Server) =>
  (router: ConnectRouter) => {
    router.service(Health, {
      check(_, context) {
        if (version !== undefined) context.responseHeader.set("hodei-version", version);
        if (date !== undefined) context.responseHeader.set("date", date);
        return { status };
      },
    });
    router.service(JobService, {
      listJobs() {
        if (jobsError !== undefined) throw new ConnectError("not today", jobsError);
        return {};
      },
    });
    router.service(EventService, {
      listDeadLetters: () => ({ deadLetters: Array.from({ length: deadLetterCount }, () => ({})) }),
    });
    router.service(WorkerAdminService, {
      listWorkers: () => ({ workers: Array.from({ length: workerCount }, () => ({})) }),
    });
  };

async function doctor(server: Server, ...args: string[]) {
  const context = fakeContext(createInProcessClient(routesOf(server)), {
    env: { HODEI_DATA_DIR: temporaryFolder(), XDG_CONFIG_HOME: temporaryFolder() },
  });
  await runCli(["doctor", "-o", "json", ...args], context);
  const findings: { check: string; level: string; message: string; next?: string }[] = JSON.parse(
    context.stdout.text,
  );
  const levels = Object.fromEntries(findings.map(({ check, level }) => [check, level]));
  return { levels, findings, exitCode: context.exitCode };
}

const HEALTHY: Server = { version: readVersion(), date: "Sat, 31 Jan 2026 08:00:01 GMT" };

test("all is well", async () => {
  const { levels, exitCode } = await doctor(HEALTHY);
  // biome-ignore format: a list of checks reads better in rows
  assert.deepEqual(levels, {
    node: "ok", "data folder": "ok", server: "ok", version: "ok", clock: "ok", token: "ok", database: "ok", workers: "ok",
    deliveries: "ok",
  });
  assert.equal(exitCode, 0);
});

test("what is odd is a warning, what is broken a failure, each with what to do", async () => {
  const { levels, findings, exitCode } = await doctor({
    status: Status.NOT_SERVING,
    version: "9.9.9",
    date: "Sat, 31 Jan 2026 09:00:00 GMT",
    workerCount: 0,
    deadLetterCount: 3,
  });
  const { server, version, clock, workers, deliveries } = levels;
  assert.deepEqual(
    { server, version, clock, workers, deliveries },
    { server: "warn", version: "warn", clock: "warn", workers: "warn", deliveries: "warn" },
  );
  for (const { level, next } of findings) assert.equal(next !== undefined, level !== "ok");
  assert.equal(exitCode, 0);
});

test("a database that does not answer is a failure, whatever the server says of itself", async () => {
  const { levels, findings, exitCode } = await doctor({ ...HEALTHY, jobsError: Code.Unavailable });
  assert.equal(levels.server, "ok");
  assert.equal(levels.database, "fail");
  assert.equal(levels.token, undefined);
  assert.match(findings.at(-1)?.next ?? "", /when the database is back/);
  assert.equal(exitCode, 1);
});

test("a token that is refused ends the check", async () => {
  const { levels, exitCode } = await doctor({ ...HEALTHY, jobsError: Code.Unauthenticated });
  assert.equal(levels.token, "fail");
  assert.equal(levels.workers, undefined);
  assert.equal(exitCode, 1);
});

test("a server that is not there is said, people see lines, and the data folder is not looked at", async () => {
  const context = fakeContext({});
  context.connect = async () => {
    throw new HodeiError("unavailable", "unreachable", "connect ECONNREFUSED");
  };
  await runCli(["doctor", "--server", "http://a"], context);
  const [node, server, ...rest] = context.stdout.text.trimEnd().split("\n");
  assert.match(node ?? "", /^ok {4}node/);
  assert.match(
    server ?? "",
    /^fail {2}server {7}connect ECONNREFUSED; check that the server is running/,
  );
  assert.deepEqual(rest, []);
  assert.equal(context.exitCode, 1);
});

test("the data folder is looked at when the local stack is used, and only then", async () => {
  const folder = temporaryFolder();
  const env = { HODEI_DATA_DIR: join(folder, "data"), XDG_CONFIG_HOME: folder };
  const checks = async (more: Record<string, string>) => {
    const context = fakeContext(createInProcessClient(routesOf(HEALTHY)), {
      env: { ...env, ...more },
    });
    await runCli(["doctor", "-o", "json"], context);
    return (JSON.parse(context.stdout.text) as { check: string }[]).map(({ check }) => check);
  };
  assert.ok((await checks({ HODEI_SERVER: "" })).includes("data folder"));
  assert.ok(!(await checks({ HODEI_SERVER: "http://a" })).includes("data folder"));
  await mkdir(join(folder, "hodei"));
  await writeFile(join(folder, "hodei", "config.yaml"), "server: http://a");
  assert.ok(!(await checks({})).includes("data folder"));
});

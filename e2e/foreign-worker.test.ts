import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { JobState } from "@hodei/proto/hodei/v1/job";
import { LogStream } from "@hodei/proto/hodei/v1/log_service";
import { WorkerState } from "@hodei/proto/hodei/v1/worker";
import { tailLogs, waitForJob } from "@hodei/sdk";
import { waitFor } from "@hodei/testkit";
import { ServerProcess } from "./server-process.ts";

const ROOT = fileURLToPath(new URL("..", import.meta.url));
const PROTO = join(ROOT, "packages/proto");
/** The newest that this Python takes: a contract that needs a certain one would be a bad one. */
const PACKAGES = ["grpcio", "grpcio-tools"];
const INSTALL_TIMEOUT_MS = 150_000;
const RUN_TIMEOUT_MS = 60_000;

const run = promisify(execFile);

let folder: string;
let server: ServerProcess | undefined;
before(async () => {
  folder = await mkdtemp(join(tmpdir(), "hodei-foreign-worker-"));
});
after(async () => {
  await server?.dispose();
  await rm(folder, { recursive: true });
});

/** A Python with gRPC in a folder of its own; a string says why there is none, and what would change that. */
async function installPython(): Promise<{ readonly python: string } | string> {
  const venv = join(folder, "venv");
  const python = join(venv, "bin/python");
  try {
    await run("openssl", ["version"]);
    await run("python3", ["-m", "venv", venv]);
  } catch (error) {
    return `needs python3 with venv, and openssl: apt-get install python3-venv openssl (${reason(error)})`;
  }
  try {
    const options = [
      "--quiet",
      "--retries=1",
      "--disable-pip-version-check",
      "--only-binary=:all:",
    ];
    const timeout = INSTALL_TIMEOUT_MS;
    await run(python, ["-m", "pip", "install", ...options, ...PACKAGES], { timeout });
  } catch (error) {
    return `needs packages from PyPI: python3 -m pip install ${PACKAGES.join(" ")} (${reason(error)})`;
  }
  return { python };
}

/** The last line that the program printed, or why it could not be started. */
function reason(error: unknown): string {
  const { stderr, message } = error as Error & { readonly stderr?: string };
  return (stderr || message).trim().split("\n").at(-1) ?? "";
}

/** The modules that the worker imports, made from the contract. */
async function generateStubs(python: string): Promise<string> {
  const stubs = join(folder, "stubs");
  await mkdir(stubs);
  const includes = ["-I", join(PROTO, "proto"), "-I", join(PROTO, "third_party")];
  const outputs = [`--python_out=${stubs}`, `--grpc_python_out=${stubs}`];
  const names = ["job", "log_service", "worker", "worker_service"];
  const files = [...names.map((name) => `hodei/v1/${name}.proto`), "buf/validate/validate.proto"];
  await run(python, ["-m", "grpc_tools.protoc", ...includes, ...outputs, ...files]);
  return stubs;
}

test("a worker in another language, made from the contract alone, joins and runs a job", async (context) => {
  const installed = await installPython();
  if (typeof installed === "string") {
    context.skip(installed);
    return;
  }
  const { python } = installed;
  const stubs = await generateStubs(python);
  server = await ServerProcess.create([]);
  await server.start();
  const { jobs, workers } = server.client;

  const script = "echo out of $NAME; echo err >&2";
  const { job } = await jobs.createJob({
    spec: {
      work: { case: "command", value: { argv: ["sh", "-c", script] } },
      env: { NAME: "Python" },
    },
  });
  assert.ok(job);
  const { joinToken } = await workers.createJoinToken({ pool: "foreign" });
  const tokenFile = join(folder, "token");
  await writeFile(tokenFile, joinToken, { mode: 0o600 });
  const { workerUrl } = server.logged("server_ready") as { workerUrl: string };

  const program = join(ROOT, "examples/foreign-worker/worker.py");
  const { stdout } = await run(python, [program, workerUrl, tokenFile], {
    env: { ...process.env, PYTHONPATH: stubs },
    timeout: RUN_TIMEOUT_MS,
  });
  assert.equal(stdout, `reported job ${job.id}\n`);

  const ended = await waitForJob(server.client, job.id);
  assert.equal(ended.state, JobState.SUCCEEDED);
  assert.equal(ended.outcome?.exitCode, 0);
  const log: [LogStream, string][] = [];
  for await (const { chunk } of tailLogs(server.client, { jobId: job.id, follow: false })) {
    log.push([chunk.stream, Buffer.from(chunk.data).toString()]);
  }
  assert.deepEqual(log, [
    [LogStream.STDOUT, "out of Python\n"],
    [LogStream.STDERR, "err\n"],
  ]);

  const left = await waitFor(async () => {
    const { workers: all } = await workers.listWorkers({ states: [WorkerState.TERMINATED] });
    return all.find(({ pool }) => pool === "foreign");
  });
  assert.equal(left.version, "1.0");
});

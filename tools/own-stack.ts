import { type ChildProcess, spawn } from "node:child_process";
import {
  chmod,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  readlink,
  rm,
  writeFile,
} from "node:fs/promises";
import { constants, tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { ROOT } from "./repository.ts";

/** A local stack apart from the user's, which the first command starts. */
export interface OwnStack {
  /** What commands that are to use it need; `hodei` is in its PATH. */
  readonly env: NodeJS.ProcessEnv;
  /**
   * Stops it and removes all of its files. May be repeated.
   * @throws Error if `hodei down` fails, or a process is left
   */
  remove(): Promise<void>;
}

/** How a command ended and what it printed. */
export interface CommandResult {
  /** 128 + n if signal n ended it. */
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Variables of the caller that would lead commands to another stack or server. */
const OURS = /^(?:HODEI_|XDG_)/;

/** Makes the folder of a stack. Nothing runs yet. */
export async function createOwnStack(): Promise<OwnStack> {
  const folder = await mkdtemp(join(tmpdir(), "hodei-own-stack-"));
  // As root, the database runs as another user, which must get through here; else it would keep its data elsewhere.
  await chmod(folder, 0o711);
  const bin = join(folder, "bin");
  await mkdir(bin);
  await writeFile(join(bin, "hodei"), launcher(), { mode: 0o755 });
  const inherited = Object.entries(process.env).filter(([name]) => !OURS.test(name));
  const env = {
    ...Object.fromEntries(inherited),
    PATH: [bin, process.env.PATH].join(delimiter),
    HODEI_DATA_DIR: join(folder, "data"),
    XDG_CONFIG_HOME: join(folder, "config"),
  };
  let isRemoved = false;
  return {
    env,
    remove: async () => {
      if (isRemoved) return;
      const { exitCode, stderr } = await runInShell("hodei down", { env });
      if (exitCode !== 0) {
        throw new Error(`hodei down failed (${exitCode}); the files are in ${folder}: ${stderr}`);
      }
      const left = await findProcesses(folder);
      if (left.length > 0) throw new Error(`still running after hodei down: ${left.join(", ")}`);
      await rm(folder, { recursive: true });
      isRemoved = true;
    },
  };
}

export interface ShellOptions {
  readonly env: NodeJS.ProcessEnv;
  /** Called with each piece of output as it comes. */
  readonly onOutput?: (stream: "stdout" | "stderr", data: Buffer) => void;
  /** Ends the script and what it runs, as `kill` does; the result is then the signal's reason, thrown. */
  readonly signal?: AbortSignal;
}

/** Runs a shell script in the checkout, with nothing on standard input, to its end. */
export async function runInShell(script: string, options: ShellOptions): Promise<CommandResult> {
  const { env, onOutput, signal } = options;
  signal?.throwIfAborted();
  const child = spawn("bash", ["-c", script], {
    cwd: ROOT,
    env,
    stdio: ["ignore", "pipe", "pipe"],
    // A group of its own, so that a signal reaches all of it.
    detached: true,
  });
  const end = () => endGroup(child);
  signal?.addEventListener("abort", end);
  const output = { stdout: [] as Buffer[], stderr: [] as Buffer[] };
  for (const stream of ["stdout", "stderr"] as const) {
    child[stream].on("data", (data: Buffer) => {
      output[stream].push(data);
      onOutput?.(stream, data);
    });
  }
  const exitCode = await new Promise<number>((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (code, name) =>
      resolve(code ?? 128 + constants.signals[name ?? "SIGKILL"]),
    );
  });
  signal?.removeEventListener("abort", end);
  signal?.throwIfAborted();
  const stdout = Buffer.concat(output.stdout).toString();
  return { exitCode, stdout, stderr: Buffer.concat(output.stderr).toString() };
}

function endGroup({ pid }: ChildProcess): void {
  try {
    if (pid !== undefined) process.kill(-pid, "SIGTERM");
  } catch {
    // It has ended by itself.
  }
}

function launcher(): string {
  const cli = join(ROOT, "packages/cli/bin/hodei.mjs");
  return `#!/bin/sh\nexec '${process.execPath}' '${cli}' "$@"\n`;
}

/** Command lines of the processes that work in `folder` or were told of it. Empty where there is no /proc. */
async function findProcesses(folder: string): Promise<readonly string[]> {
  const pids = (await readdir("/proc").catch(() => [])).filter((name) => /^\d+$/.test(name));
  const found = await Promise.all(
    pids.map(async (pid) => {
      const commandLine = await readProc(readFile(`/proc/${pid}/cmdline`, "utf8"));
      const facts = [
        commandLine,
        await readProc(readFile(`/proc/${pid}/environ`, "utf8")),
        await readProc(readlink(`/proc/${pid}/cwd`)),
      ];
      const isOurs = facts.some((fact) => fact.includes(folder));
      return isOurs ? [`${pid} (${commandLine.replaceAll("\0", " ").trim()})`] : [];
    }),
  );
  return found.flat();
}

/** Empty for a process that is gone meanwhile, or another user's. */
const readProc = (reading: Promise<string>): Promise<string> => reading.catch(() => "");

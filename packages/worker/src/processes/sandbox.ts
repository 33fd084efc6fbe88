import { execFile } from "node:child_process";
import { delimiter, join } from "node:path";
import { promisify } from "node:util";
import type { AttemptUser } from "../attempt-user.ts";

/** Where the worker tells whether it has a sandbox, for constraints of jobs. */
export const SANDBOX_LABEL = "hodei/sandbox";

const PROGRAM = "bwrap";
const DEFAULT_PATH = "/usr/local/bin:/usr/bin:/bin";
/** The system as it is, to be read only; processes, shared memory and devices of its own; no capabilities, not even for root. */
const SYSTEM = [
  "--ro-bind",
  "/",
  "/",
  "--dev",
  "/dev",
  "--proc",
  "/proc",
  "--unshare-pid",
  "--unshare-ipc",
  "--cap-drop",
  "ALL",
];
/** A kernel that lets no namespaces be made says so at once. */
const PROBE_TIMEOUT_MS = 5_000;

/** What puts attempts into a sandbox: bubblewrap, or the reason why there is none. */
export type Sandbox =
  | { readonly kind: "usable"; readonly program: string }
  | { readonly kind: "missing"; readonly why: string };

/** What of the machine an attempt in a sandbox needs. Absolute paths. */
export interface SandboxPlaces {
  /** Of the worker, with its key and other attempts: out of sight. */
  readonly stateDir: string;
  /** The attempt's own, which it may write to. */
  readonly attemptDir: string;
  /** Becomes its `/tmp`. */
  readonly tmpDir: string;
  readonly cwd: string;
  /** Of its secret files. */
  readonly secretsDir: string | undefined;
}

/** Looks for bubblewrap in `searchPath`, and whether `user` may use it: some kernels and containers let nobody. */
export async function findSandbox(
  searchPath: string | undefined,
  user: AttemptUser | undefined,
): Promise<Sandbox> {
  const owner = user === undefined ? {} : { uid: user.uid, gid: user.gid };
  const options = { ...owner, cwd: "/", env: {}, timeout: PROBE_TIMEOUT_MS };
  let why = `${PROGRAM} was not found`;
  for (const folder of (searchPath || DEFAULT_PATH).split(delimiter)) {
    const program = join(folder || ".", PROGRAM);
    try {
      await promisify(execFile)(program, [...SYSTEM, "--", "/bin/true"], options);
      return { kind: "usable", program };
    } catch (error) {
      const { code, stderr } = error as { code?: unknown; stderr?: string };
      if (code !== "ENOENT") why = `${program} fails: ${stderr?.trim() || String(error)}`;
    }
  }
  return { kind: "missing", why };
}

/** The words that stand before a command to run it in the sandbox of `program`. Later ones cover earlier ones. */
export function sandboxWords(program: string, places: SandboxPlaces): readonly string[] {
  const { stateDir, attemptDir, tmpDir, cwd, secretsDir } = places;
  const isHidden = cwd.startsWith("/tmp/") && !cwd.startsWith(`${attemptDir}/`);
  return [
    program,
    ...SYSTEM,
    ...["--bind", tmpDir, "/tmp"],
    ...(isHidden ? ["--ro-bind", cwd, cwd] : []),
    ...["--tmpfs", stateDir],
    ...["--bind", attemptDir, attemptDir],
    ...(secretsDir === undefined ? [] : ["--ro-bind", secretsDir, secretsDir]),
    ...["--chdir", cwd, "--"],
  ];
}

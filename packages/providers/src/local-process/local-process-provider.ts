import { resolve } from "node:path";
import {
  type Logger,
  type Machine,
  PlatformError,
  type Provider,
  type ProvisionRequest,
  type WorkerId,
} from "@hodei/domain";
import { endProcess, killByEnvironment } from "./end-process.ts";
import {
  boundLog,
  claimForNobody,
  listWorkerIds,
  type MachineFolder,
  machineFolder,
  prepareFolder,
  readClaim,
  removeFolder,
} from "./machine-folder.ts";
import { toPlatformError } from "./platform-error.ts";
import { isRunning, type ProcessRef } from "./process-table.ts";
import { startMachine } from "./start-machine.ts";
import { environmentMarks, workerEnvironment } from "./worker-environment.ts";

/** Beyond the worker's own drain time-out of 30 s and its 5 s for the last logs. */
const DEFAULT_GRACE_MS = 35_000;

export interface LocalProcessProviderOptions {
  /** Holds one folder a machine; made when it is needed. Two servers must not share it. */
  readonly dir: string;
  /** Program and arguments that run a worker. The program: an absolute path, or found in PATH. */
  readonly workerCommand: readonly string[];
  /** Workers inherit PATH, HOME, locale, time zone and the like from it, nothing else. Default: nothing at all. */
  readonly environment?: Readonly<Record<string, string | undefined>>;
  /** Lets the workers run jobs as root, when that is who runs this process. Default: they refuse to start then. */
  readonly allowRoot?: boolean;
  /** Further settings of the workers: variables that begin with `HODEI_WORKER_`. Default: none. */
  readonly workerSettings?: Readonly<Record<string, string>>;
  /** What a worker gets between SIGTERM, at which it drains, and SIGKILL. Default: 35 s. */
  readonly graceMs?: number;
  readonly log: Logger;
}

/**
 * Machines that are worker processes on this computer.
 *
 * They live in sessions of their own and outlive the server: all that is known of a machine lies in its folder
 * `<dir>/<workerId>`, so the next server finds it there. See `start-machine.ts` for why no crash leaks one.
 */
export class LocalProcessProvider implements Provider {
  readonly name = "local-process";
  readonly #dir: string;
  readonly #options: LocalProcessProviderOptions;
  /** Last call of each machine, so that calls for one machine follow each other. */
  readonly #calls = new Map<WorkerId, Promise<void>>();
  readonly #starting = new Set<WorkerId>();

  constructor(options: LocalProcessProviderOptions) {
    this.#options = options;
    this.#dir = resolve(options.dir);
  }

  async provision(request: ProvisionRequest): Promise<void> {
    const { workerId } = request;
    await this.#inTurn(workerId, "start a local worker", () => this.#provision(request));
  }

  async destroy(workerId: WorkerId): Promise<void> {
    await this.#inTurn(workerId, `end local worker ${workerId}`, () => this.#destroy(workerId));
  }

  async list(): Promise<readonly Machine[]> {
    try {
      const workerIds = await listWorkerIds(this.#dir);
      return await Promise.all(workerIds.map((workerId) => this.#look(workerId)));
    } catch (error) {
      throw toPlatformError(error, `list local workers in ${this.#dir}`);
    }
  }

  async #look(workerId: WorkerId): Promise<Machine> {
    const folder = machineFolder(this.#dir, workerId);
    const claim = await readClaim(folder);
    await boundLog(folder);
    const alive = claim ? await isRunning(claim) : this.#starting.has(workerId);
    return { workerId, alive };
  }

  async #provision(request: ProvisionRequest): Promise<void> {
    const { workerId, pool } = request;
    const folder = machineFolder(this.#dir, workerId);
    if ((await readClaim(folder)) !== undefined) return;
    this.#starting.add(workerId);
    try {
      const environment = {
        ...this.#options.workerSettings,
        ...workerEnvironment(this.#options.environment ?? {}, request, folder),
        ...(this.#options.allowRoot && { HODEI_WORKER_ALLOW_ROOT: "true" }),
      };
      const command = this.#options.workerCommand;
      await prepareFolder(folder, request.joinToken);
      await startMachine(folder, { command, environment, about: { workerId, pool } });
      this.#options.log.info("machine_started", { workerId, pool });
    } catch (error) {
      await this.#undo(workerId);
      throw error;
    } finally {
      this.#starting.delete(workerId);
    }
  }

  /** After a failed start. What cannot be cleaned up now is listed as dead, so it is destroyed later. */
  async #undo(workerId: WorkerId): Promise<void> {
    try {
      await this.#destroy(workerId);
    } catch (error) {
      this.#options.log.warn("machine_left_behind", { workerId, error });
    }
  }

  async #destroy(workerId: WorkerId): Promise<void> {
    const folder = machineFolder(this.#dir, workerId);
    const claim = (await readClaim(folder)) ?? (await claimForNobody(folder, workerId));
    if (claim === undefined) return;
    if (claim !== null) await this.#endMachine(workerId, folder, claim);
    await removeFolder(folder);
  }

  async #endMachine(workerId: WorkerId, folder: MachineFolder, leader: ProcessRef): Promise<void> {
    const ending = await endProcess(leader, this.#options.graceMs ?? DEFAULT_GRACE_MS);
    // A worker that was killed, or died earlier, could not end its attempts: they are in sessions of their own.
    const allGone = await killByEnvironment(environmentMarks(folder));
    if (ending === "unkillable" || !allGone) {
      throw new PlatformError(
        "unavailable",
        "processes_left",
        `processes of local worker ${workerId} are still there after SIGKILL; its main process was ${leader.pid}`,
      );
    }
    if (ending === "killed") this.#options.log.warn("machine_killed", { workerId });
    else this.#options.log.info("machine_ended", { workerId, ending });
  }

  /** Runs `call` after the earlier ones for this machine; its errors come out as `PlatformError`. */
  async #inTurn(workerId: WorkerId, attempted: string, call: () => Promise<void>): Promise<void> {
    const earlier = this.#calls.get(workerId);
    const run = (async () => {
      // Whoever made the earlier call hears of its failure.
      await earlier?.catch(() => {});
      await call();
    })();
    this.#calls.set(workerId, run);
    try {
      await run;
    } catch (error) {
      throw toPlatformError(error, attempted);
    } finally {
      if (this.#calls.get(workerId) === run) this.#calls.delete(workerId);
    }
  }
}

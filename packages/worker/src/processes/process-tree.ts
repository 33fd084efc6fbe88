import { kill } from "node:process";
import { errnoOf } from "../errno.ts";
import { hasProcessTable, type ProcessInfo, type ProcessTable } from "./process-table.ts";

/** Times a tree is looked at again for processes born while its others were being stopped; then it is killed as it is. */
const MAX_STOP_ROUNDS = 20;

/** What of a control group a tree needs. */
export interface TreeGroup {
  /** Members, those that have ended not among them. */
  listPids(): readonly number[];
  /** Kills every member at once, so that none can start another. */
  kill(): void;
}

export interface TreeRoots {
  readonly table: Pick<ProcessTable, "scan">;
  /** The attempt's first process, leader of its own session; `undefined` if it is long gone. */
  readonly leaderPid: number | undefined;
  /** Name of its directory, which nobody else has and no other attempt can guess. */
  readonly attemptName: string;
  /** Where the attempt has one. */
  readonly group: TreeGroup | undefined;
}

/**
 * Every process of an attempt, however it tried to leave: members of its control group; of its session, or of one that a
 * member began; carriers of its variable; children of any of them. A process that has been a member stays one.
 *
 * Without a control group, one that changed its session, dropped its environment and lost its parent, all between two
 * looks, is not found.
 */
export class ProcessTree {
  readonly #roots: TreeRoots;
  /** Start by pid, so that a later process with the same number is not taken for a member. */
  #known = new Map<number, number>();
  #sessions: ReadonlySet<number>;
  #isLeaderGone = false;

  constructor(roots: TreeRoots) {
    this.#roots = roots;
    this.#sessions = new Set(roots.leaderPid === undefined ? [] : [roots.leaderPid]);
  }

  /** The first process was collected: its number, and so its session's, may be given to another when all members end. */
  forgetLeader(): void {
    this.#isLeaderGone = true;
  }

  /**
   * Whether the attempt left anything when its command ended by itself. Only a process of root can leave a control group,
   * so an empty one is believed: a look at all processes of the machine would cost more than a short job does.
   */
  async isEmpty(): Promise<boolean> {
    const { group } = this.#roots;
    if (group !== undefined && group.listPids().length === 0) return true;
    return (await this.list()).length === 0;
  }

  /** Members that run. */
  async list(): Promise<readonly number[]> {
    return (await this.#look()).pids;
  }

  /**
   * SIGTERM to every member; a stopped one is continued, so that it can obey. Group by group: a shell must not see its
   * child end before it gets the signal itself.
   */
  async terminate(): Promise<void> {
    const { targets } = await this.#look();
    for (const target of targets) signalProcess(target, "SIGTERM");
    for (const target of targets) signalProcess(target, "SIGCONT");
  }

  /**
   * Kills every member; returns how many there were, so 0 says that none is left. All are stopped before the first is
   * killed: a tree that grows is not outrun by killing it one by one.
   */
  async kill(): Promise<number> {
    this.#roots.group?.kill();
    const stopped = new Set<number>();
    for (let round = 0; round < MAX_STOP_ROUNDS; round += 1) {
      const born = (await this.list()).filter((pid) => !stopped.has(pid));
      if (born.length === 0) break;
      for (const pid of born) {
        signalProcess(pid, "SIGSTOP");
        stopped.add(pid);
      }
    }
    for (const pid of stopped) signalProcess(pid, "SIGKILL");
    return stopped.size;
  }

  async #look(): Promise<{ pids: readonly number[]; targets: readonly number[] }> {
    if (!hasProcessTable) return this.#lookByGroup();
    const processes = await this.#roots.table.scan();
    const members = this.#findMembers(processes);
    this.#known = new Map(members.map(({ pid, startTicks }) => [pid, startTicks]));
    this.#sessions = this.#findSessions(members);
    const running = members.filter(({ isZombie }) => !isZombie);
    const targets = running.map(({ pid, groupId, sessionId }) =>
      this.#sessions.has(sessionId) ? -groupId : pid,
    );
    return { pids: running.map(({ pid }) => pid), targets: [...new Set(targets)] };
  }

  #findMembers(processes: readonly ProcessInfo[]): readonly ProcessInfo[] {
    const children = Map.groupBy(processes, ({ parentPid }) => parentPid);
    const grouped = new Set(this.#roots.group?.listPids());
    const members = new Map<number, ProcessInfo>();
    const queue = processes.filter((process) => grouped.has(process.pid) || this.#isRoot(process));
    for (let next = queue.pop(); next !== undefined; next = queue.pop()) {
      if (members.has(next.pid)) continue;
      members.set(next.pid, next);
      queue.push(...(children.get(next.pid) ?? []));
    }
    return [...members.values()];
  }

  #isRoot({ pid, startTicks, sessionId, attemptName }: ProcessInfo): boolean {
    if (this.#sessions.has(sessionId) || this.#known.get(pid) === startTicks) return true;
    return attemptName !== "" && attemptName === this.#roots.attemptName;
  }

  /** Sessions of which all are members: not that of a person who copied the environment to look into something. */
  #findSessions(members: readonly ProcessInfo[]): ReadonlySet<number> {
    const pids = new Set(members.map(({ pid }) => pid));
    const all = members.map(({ sessionId }) => sessionId);
    const own = new Set(all.filter((id) => pids.has(id) || this.#sessions.has(id)));
    const { leaderPid } = this.#roots;
    if (leaderPid !== undefined && !this.#isLeaderGone) own.add(leaderPid);
    return own;
  }

  /** Without `/proc` only the existence of the first process's group is known; that process stands for all. */
  #lookByGroup(): { pids: readonly number[]; targets: readonly number[] } {
    const { leaderPid } = this.#roots;
    const isThere = leaderPid !== undefined && signalProcess(-leaderPid, 0);
    const pids = isThere ? [-leaderPid] : [];
    return { pids, targets: pids };
  }
}

/** Whether there was somebody to get it. Not ours to signal counts as being there. */
function signalProcess(pid: number, signal: NodeJS.Signals | 0): boolean {
  try {
    kill(pid, signal);
    return true;
  } catch (error) {
    if (errnoOf(error) === "ESRCH") return false;
    if (errnoOf(error) === "EPERM") return true;
    throw error;
  }
}

import type { JobId, Worker, WorkerId } from "@hodei/domain";
import type { Wiring } from "../world.ts";
import { overriding, withReaders, withStores } from "./break-ports.ts";
import type { Mutant } from "./mutant.ts";

export const WORKER_MUTANTS: readonly Mutant[] = [
  {
    name: "takes a stale result",
    promise: "one-result",
    provokedBy: ["stream_silence"],
    breakWiring: takeStaleResults,
  },
  {
    name: "overlooks workers that went away",
    promise: "kept",
    provokedBy: ["machine_death"],
    breakWiring: overlookGone,
  },
  {
    name: "overlooks workers that are booting",
    promise: "pool-size",
    provokedBy: [],
    breakWiring: overlookBooting,
  },
  {
    name: "lets a leader write that was followed by another",
    promise: "pool-size",
    provokedBy: ["leader_change", "machine_death"],
    faultCount: 300,
    breakWiring: forgetEpochs,
  },
];

/**
 * Hides the fence: a result that comes under an old lease is taken for one of the current attempt, and its sender for the
 * worker that has it.
 */
function takeStaleResults(wiring: Wiring): Wiring {
  const senders = new Map<JobId, WorkerId>();
  const receive: Wiring["receive"] = async (workerId, message) => {
    if (message.type !== "attempt_finished") return message;
    const { report } = message;
    const job = await wiring.database.readers.jobs.find(report.ref.jobId);
    const isStale = job?.state === "running" && job.lease?.token !== report.ref.leaseToken;
    if (!isStale || job.lease === null) return message;
    senders.set(job.id, workerId);
    const ref = { jobId: job.id, attempt: job.attempt, leaseToken: job.lease.token };
    return { ...message, report: { ...report, ref } };
  };
  const database = withStores(wiring.database, (stores) => {
    const jobs = overriding(stores.jobs, {
      lock: async (id) => {
        const job = await stores.jobs.lock(id);
        const workerId = senders.get(id);
        senders.delete(id);
        if (workerId === undefined || job.lease === null) return job;
        return { ...job, lease: { ...job.lease, workerId } };
      },
    });
    return { ...stores, jobs };
  });
  return { ...wiring, database, receive };
}

const isConnected = ({ connectBy }: Worker): boolean => connectBy === null;
const hasConnected = ({ connectedAt }: Worker): boolean => connectedAt !== null;

function overlookGone(wiring: Wiring): Wiring {
  const database = withReaders(wiring.database, (readers) => {
    const workers = overriding(readers.workers, {
      listLive: async () => (await readers.workers.listLive()).filter(isConnected),
      findLive: async (ids) => (await readers.workers.findLive(ids)).filter(isConnected),
    });
    return { ...readers, workers };
  });
  return { ...wiring, database };
}

function overlookBooting(wiring: Wiring): Wiring {
  const database = withReaders(wiring.database, (readers) => {
    const workers = overriding(readers.workers, {
      listLive: async () => (await readers.workers.listLive()).filter(hasConnected),
      findLive: async (ids) => (await readers.workers.findLive(ids)).filter(hasConnected),
    });
    return { ...readers, workers };
  });
  return { ...wiring, database };
}

function forgetEpochs(wiring: Wiring): Wiring {
  const database = withStores(wiring.database, (stores) => ({
    ...stores,
    leadership: overriding(stores.leadership, { check: async () => undefined }),
  }));
  return { ...wiring, database };
}

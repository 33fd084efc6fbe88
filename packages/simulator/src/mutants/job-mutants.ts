import type { Candidate, Job, JobChange, JobId, Stores } from "@hodei/domain";
import type { Wiring } from "../world.ts";
import { everyNth, overriding, withReaders, withStores } from "./break-ports.ts";
import type { Mutant } from "./mutant.ts";

export const JOB_MUTANTS: readonly Mutant[] = [
  {
    name: "drops a new job after answering",
    promise: "kept",
    provokedBy: [],
    breakWiring: dropInserts,
  },
  {
    name: "drops a commit after answering",
    promise: "one-result",
    provokedBy: [],
    breakWiring: dropCommits,
  },
  {
    name: "locks no rows and ignores versions",
    promise: "one-result",
    provokedBy: ["stream_reset"],
    breakWiring: ignoreVersions,
  },
  {
    name: "stores a change without its events",
    promise: "gapless-events",
    provokedBy: [],
    breakWiring: loseEvents,
  },
  {
    name: "ignores idempotency keys",
    promise: "one-job-per-key",
    provokedBy: ["answers_lost"],
    breakWiring: ignoreKeys,
  },
  {
    name: "forgets how often a job started",
    promise: "policies",
    provokedBy: ["worker_crash"],
    breakWiring: forgetStarts,
  },
  {
    name: "gives an attempt number twice",
    promise: "one-start",
    provokedBy: ["worker_crash"],
    breakWiring: reuseNumbers,
  },
  {
    name: "forgets what jobs need",
    promise: "capacity",
    provokedBy: [],
    breakWiring: forgetRequirements,
  },
  {
    name: "forgets who holds a concurrency key",
    promise: "limits",
    provokedBy: [],
    breakWiring: forgetHolders,
  },
  {
    name: "forgets that jobs wait for others",
    promise: "dependencies",
    provokedBy: [],
    breakWiring: unblock,
  },
  {
    name: "takes every priority for a low one",
    promise: "preemption",
    provokedBy: [],
    breakWiring: forgetPriorities,
  },
  {
    name: "counts a preempted attempt as a try",
    promise: "preemption",
    provokedBy: [],
    breakWiring: forgetPreemptions,
  },
  {
    name: "forgets for whom room is being made",
    promise: "preemption",
    provokedBy: [],
    breakWiring: forgetClaims,
  },
];

function dropInserts(wiring: Wiring): Wiring {
  const drops = everyNth(5);
  const database = overriding(wiring.database, {
    insertJobs: async (jobs) =>
      drops() ? jobs.map(({ job }) => ({ job, created: true })) : wiring.database.insertJobs(jobs),
  });
  return { ...wiring, database };
}

function dropCommits(wiring: Wiring): Wiring {
  const drops = everyNth(20);
  const rollback = new Error("rolled back, and nobody is told");
  const database = overriding(wiring.database, {
    transact: async <T>(work: (stores: Stores) => Promise<T>): Promise<T> => {
      if (!drops()) return wiring.database.transact(work);
      const results: T[] = [];
      try {
        await wiring.database.transact(async (stores) => {
          results.push(await work(stores));
          throw rollback;
        });
      } catch (error) {
        if (error !== rollback) throw error;
      }
      return results[0] as T;
    },
    changeJob: async (change) => {
      if (!drops()) return wiring.database.changeJob(change);
      return { ...change.job, version: change.job.version + 1 };
    },
  });
  return { ...wiring, database };
}

/** Some locks return the row that the lock before them saw, and every write replaces what is there. */
function ignoreVersions(wiring: Wiring): Wiring {
  const isStale = everyNth(3);
  const seen = new Map<JobId, Job>();
  const database = withStores(wiring.database, (stores) => {
    const jobs = overriding(stores.jobs, {
      lock: async (id) => {
        const current = await stores.jobs.lock(id);
        const job = isStale() ? (seen.get(id) ?? current) : current;
        seen.set(id, current);
        return job;
      },
      update: async (job, events) => {
        return stores.jobs.update(await atStoredVersion(stores, job), events);
      },
      updateAll: async (changes) => {
        const unchecked: JobChange[] = [];
        for (const change of changes) {
          unchecked.push({ ...change, job: await atStoredVersion(stores, change.job) });
        }
        return stores.jobs.updateAll(unchecked);
      },
    });
    return { ...stores, jobs };
  });
  return { ...wiring, database };
}

async function atStoredVersion({ jobs }: Stores, job: Job): Promise<Job> {
  return { ...job, version: (await jobs.get(job.id)).version };
}

function loseEvents(wiring: Wiring): Wiring {
  const loses = everyNth(20);
  const database = withStores(wiring.database, (stores) => {
    const jobs = overriding(stores.jobs, {
      update: (job, events) => stores.jobs.update(job, loses() ? [] : events),
      updateAll: (changes) =>
        stores.jobs.updateAll(
          changes.map((change) => (loses() ? { ...change, events: [] } : change)),
        ),
    });
    return { ...stores, jobs };
  });
  return { ...wiring, database };
}

function ignoreKeys(wiring: Wiring): Wiring {
  const database = overriding(wiring.database, {
    insertJobs: (jobs) =>
      wiring.database.insertJobs(jobs.map((job) => ({ ...job, idempotencyKey: null }))),
  });
  return { ...wiring, database };
}

function forgetStarts(wiring: Wiring): Wiring {
  const database = withStores(wiring.database, (stores) => {
    const jobs = overriding(stores.jobs, {
      lock: async (id) => ({ ...(await stores.jobs.lock(id)), startedAttempts: 0 }),
      lockAll: async (ids) =>
        (await stores.jobs.lockAll(ids)).map((job) => ({ ...job, startedAttempts: 0 })),
    });
    return { ...stores, jobs };
  });
  return { ...wiring, database };
}

/** An attempt that goes back to waiting is counted back. */
function reuseNumbers(wiring: Wiring): Wiring {
  const database = withStores(wiring.database, (stores) => {
    const jobs = overriding(stores.jobs, {
      updateAll: (changes) =>
        stores.jobs.updateAll(changes.map((change) => ({ ...change, job: countBack(change.job) }))),
    });
    return { ...stores, jobs };
  });
  return { ...wiring, database };
}

function countBack(job: Job): Job {
  const isReturned = job.state === "pending" && job.attempt > 0;
  return isReturned ? { ...job, attempt: job.attempt - 1 } : job;
}

function forgetRequirements(wiring: Wiring): Wiring {
  const unread = withReaders(wiring.database, (readers) => ({
    ...readers,
    jobs: overriding(readers.jobs, { listHeld: async () => [] }),
  }));
  const database = withStores(unread, (stores) => {
    const jobs = overriding(stores.jobs, {
      listOfWorkers: async (ids) => (await stores.jobs.listOfWorkers(ids)).map(withoutRequirements),
    });
    return { ...stores, jobs };
  });
  return { ...wiring, database };
}

function forgetHolders(wiring: Wiring): Wiring {
  const nobody = { listHolders: async () => [] };
  const unread = withReaders(wiring.database, (readers) => ({
    ...readers,
    limits: overriding(readers.limits, nobody),
  }));
  const database = withStores(unread, (stores) => ({
    ...stores,
    limits: overriding(stores.limits, nobody),
  }));
  return { ...wiring, database };
}

function unblock(wiring: Wiring): Wiring {
  const database = withStores(wiring.database, (stores) => {
    const jobs = overriding(stores.jobs, {
      insert: (newJobs) =>
        stores.jobs.insert(
          newJobs.map((newJob) => ({ ...newJob, job: { ...newJob.job, isBlocked: false } })),
        ),
    });
    return { ...stores, jobs };
  });
  return { ...wiring, database };
}

function forgetPriorities(wiring: Wiring): Wiring {
  const database = withReaders(wiring.database, (readers) => ({
    ...readers,
    jobs: overriding(readers.jobs, {
      listHeld: async () =>
        (await readers.jobs.listHeld()).map((held) => ({ ...held, priority: -100 })),
    }),
  }));
  return { ...wiring, database };
}

function forgetPreemptions(wiring: Wiring): Wiring {
  const forget = (job: Job): Job => ({ ...job, preemptionCount: 0 });
  const database = withStores(wiring.database, (stores) => {
    const jobs = overriding(stores.jobs, {
      lock: async (id) => forget(await stores.jobs.lock(id)),
      lockAll: async (ids) => (await stores.jobs.lockAll(ids)).map(forget),
    });
    return { ...stores, jobs };
  });
  return { ...wiring, database };
}

function forgetClaims(wiring: Wiring): Wiring {
  const forget = (candidate: Candidate): Candidate => ({ ...candidate, claimedWorkerId: null });
  const database = withReaders(wiring.database, (readers) => ({
    ...readers,
    jobs: overriding(readers.jobs, {
      listDue: async (now, limit) => (await readers.jobs.listDue(now, limit)).map(forget),
      listDueAfter: async (position, now, limit) =>
        (await readers.jobs.listDueAfter(position, now, limit)).map(forget),
      findDue: async (ids, now) => (await readers.jobs.findDue(ids, now)).map(forget),
    }),
  }));
  return { ...wiring, database };
}

function withoutRequirements(job: Job): Job {
  const requirements = { ...job.policy.requirements, cpuMillis: 0, memoryBytes: 0, diskBytes: 0 };
  return { ...job, policy: { ...job.policy, requirements } };
}

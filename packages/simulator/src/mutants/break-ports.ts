import {
  type Database,
  type Job,
  type JobChange,
  PlatformError,
  type Readers,
  type Stores,
} from "@hodei/domain";

/** `port` with some of its methods replaced. */
export function overriding<Port extends object>(port: Port, methods: Partial<Port>): Port {
  return new Proxy(port, {
    get(target, key) {
      const replaced: unknown = Reflect.get(methods, key);
      const member: unknown = replaced ?? Reflect.get(target, key);
      return typeof member === "function" ? member.bind(target) : member;
    },
  });
}

/** `database` whose transactions and changes work on what `change` makes of their stores. */
export function withStores(database: Database, change: (stores: Stores) => Stores): Database {
  return overriding(database, {
    transact: (work) => database.transact((stores) => work(change(stores))),
    changeJob: (jobChange) =>
      database.transact((stores) => changeUnlessStale(change(stores), jobChange)),
  });
}

async function changeUnlessStale({ jobs }: Stores, change: JobChange): Promise<Job | undefined> {
  try {
    const [job] = await jobs.updateAll([change]);
    return job;
  } catch (error) {
    if (error instanceof PlatformError && error.code === "conflict") return undefined;
    throw error;
  }
}

/** `database` whose reads outside of transactions go through what `change` makes of its readers. */
export function withReaders(database: Database, change: (readers: Readers) => Readers): Database {
  return overriding(database, { readers: change(database.readers) });
}

/** True for every `count`th call. */
export function everyNth(count: number): () => boolean {
  let calls = 0;
  return () => {
    calls += 1;
    return calls % count === 0;
  };
}

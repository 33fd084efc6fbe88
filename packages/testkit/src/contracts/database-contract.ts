import { suite } from "node:test";
import { testAttempts } from "./database/attempts.ts";
import { testConcurrentTransactions } from "./database/concurrent-transactions.ts";
import { testDependencies } from "./database/dependencies.ts";
import { testEvents } from "./database/events.ts";
import { testFinishedJobs } from "./database/finished-jobs.ts";
import { testInsertJobs } from "./database/insert-jobs.ts";
import { testJobChanges } from "./database/job-changes.ts";
import { testJobQueries } from "./database/job-queries.ts";
import { testJobs } from "./database/jobs.ts";
import { testLimits } from "./database/limits.ts";
import { type DatabaseFixture, type Open, Scene } from "./database/scene.ts";
import { testSubscriptions } from "./database/subscriptions.ts";
import { testTransactions } from "./database/transactions.ts";
import { testWorkers } from "./database/workers.ts";

type Create = () => Promise<DatabaseFixture>;

/** What every database promises; `create` makes a fixture of its own for each test. */
export function databaseContract(name: string, create: Create): void {
  const open = opener(create);
  suite(`database contract: ${name}`, () => {
    testJobs(open);
    testJobQueries(open);
    testJobChanges(open);
    testInsertJobs(open);
    testFinishedJobs(open);
    testAttempts(open);
    testWorkers(open);
    testLimits(open);
    testDependencies(open);
    testEvents(open);
    testSubscriptions(open);
    testTransactions(open);
  });
}

/** What a database promises besides when it runs several transactions at once. */
export function concurrentDatabaseContract(name: string, create: Create): void {
  suite(`concurrent database contract: ${name}`, () => {
    testConcurrentTransactions(opener(create));
  });
}

function opener(create: Create): Open {
  return async (context) => {
    const fixture = await create();
    context.after(() => fixture.close());
    return new Scene(fixture);
  };
}

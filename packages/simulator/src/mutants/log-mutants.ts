import type { LogBatch } from "@hodei/domain";
import { MemoryLogStore } from "@hodei/testkit";
import type { Wiring } from "../world.ts";
import { everyNth, overriding, withStores } from "./break-ports.ts";
import type { Mutant } from "./mutant.ts";

export const LOG_MUTANTS: readonly Mutant[] = [
  {
    name: "takes log after the attempt's end",
    promise: "logs-whole",
    provokedBy: ["worker_pause"],
    breakWiring: takeLateLog,
  },
  {
    name: "acks log that it does not store",
    promise: "logs-whole",
    provokedBy: [],
    breakWiring: ackTooMuch,
  },
  {
    name: "stores repeated log twice",
    promise: "logs-whole",
    provokedBy: ["stream_reset"],
    breakWiring: storeRepeats,
  },
  {
    name: "passes over log that is read",
    promise: "tails-whole",
    provokedBy: [],
    breakWiring: passOver,
  },
];

/** The log store sees every attempt as running. */
function takeLateLog(wiring: Wiring): Wiring {
  const database = withStores(wiring.database, (stores) => {
    const attempts = overriding(stores.attempts, {
      find: async (jobId, number) => {
        const attempt = await stores.attempts.find(jobId, number);
        return attempt && { ...attempt, state: "running" };
      },
    });
    return { ...stores, attempts };
  });
  return { ...wiring, logs: new MemoryLogStore({ database }) };
}

function ackTooMuch(wiring: Wiring): Wiring {
  const drops = everyNth(10);
  const logs = overriding(wiring.logs, {
    append: async (batches) => {
      if (!drops()) return wiring.logs.append(batches);
      return batches.map(({ offset, data }) => ({
        kind: "stored" as const,
        durableOffset: offset + data.length,
      }));
    },
  });
  return { ...wiring, logs };
}

/** Workers resend more than they have to, and every batch is put at the end of what is there. */
function storeRepeats(wiring: Wiring): Wiring {
  const atEnd = async (batch: LogBatch): Promise<LogBatch> => ({
    ...batch,
    offset: await wiring.logs.durableOffset(batch.ref.jobId, batch.ref.attempt),
  });
  const logs = overriding(wiring.logs, {
    append: async (batches) => wiring.logs.append(await Promise.all(batches.map(atEnd))),
    durableOffset: async () => 0,
  });
  return { ...wiring, logs };
}

function passOver(wiring: Wiring): Wiring {
  const drops = everyNth(10);
  const logs = overriding(wiring.logs, {
    read: async (range) => {
      const page = await wiring.logs.read(range);
      return drops() ? { ...page, chunks: [] } : page;
    },
  });
  return { ...wiring, logs };
}

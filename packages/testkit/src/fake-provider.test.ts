import assert from "node:assert/strict";
import { test } from "node:test";
import { PlatformError, type WorkerId } from "@hodei/domain";
import { providerContract, provisionRequest } from "./contracts/provider-contract.ts";
import { FakeProvider } from "./fake-provider.ts";

providerContract("FakeProvider", async () => {
  const machines = new Map<WorkerId, "alive" | "dead">();
  const provider = new FakeProvider({ machines });
  return {
    provider,
    reopen: () => new FakeProvider({ machines }),
    crash: async (workerId) => provider.kill(workerId),
    countRunning: async () => [...machines.values()].filter((state) => state === "alive").length,
    close: async () => machines.clear(),
  };
});

test("failures come in the order they were asked for, and have no effect", async () => {
  const provider = new FakeProvider();
  const full = new PlatformError("resource_exhausted", "full", "no room");
  const away = new PlatformError("unavailable", "away", "nobody there");
  provider.failNext(full);
  provider.failNext(away);
  await assert.rejects(provider.provision(provisionRequest()), full);
  await assert.rejects(provider.list(), away);
  assert.deepEqual(await provider.list(), []);
});

test("every start and every end is told once", async () => {
  const told: string[] = [];
  const provider = new FakeProvider({
    onProvision: ({ workerId }) => told.push(`start ${workerId}`),
    onEnd: (workerId) => told.push(`end ${workerId}`),
  });
  const [first, second] = [provisionRequest(), provisionRequest()];
  await provider.provision(first);
  await provider.provision(first);
  await provider.provision(second);
  provider.kill(first.workerId);
  provider.kill(first.workerId);
  await provider.destroy(first.workerId);
  await provider.destroy(second.workerId);
  await provider.destroy(second.workerId);
  assert.deepEqual(told, [
    `start ${first.workerId}`,
    `start ${second.workerId}`,
    `end ${first.workerId}`,
    `end ${second.workerId}`,
  ]);
});

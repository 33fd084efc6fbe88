import { readdirSync } from "node:fs";
import process from "node:process";
import { after, test } from "node:test";
import { waitFor } from "@hodei/testkit";
import { AttemptFixture, specOf } from "../test/attempt-fixture.ts";

const openFiles = (): number => readdirSync("/proc/self/fd").length;

test("limits that the kernel refuses leave neither descriptors nor groups behind", async (context) => {
  const fixture = await AttemptFixture.create(process.env);
  after(() => fixture.remove());
  await fixture.run(specOf(["true"]));
  const before = openFiles();
  const tooLittle = specOf(["true"], { memoryBytes: 4096 });
  for (let count = 0; count < 30; count += 1) {
    const { outcome } = await fixture.run(tooLittle);
    if (outcome.reason !== "spawn_failed") {
      context.skip("run as root, where limits of memory can be set");
      return;
    }
  }
  // Shells that wait are forked a moment later, and hold some too; a leak has two of each attempt.
  await waitFor(() => openFiles() - before < 30, { what: "descriptors given back" });
});

import assert from "node:assert/strict";
import { test } from "node:test";
import { after, aJobSpec, START } from "@hodei/testkit";
import {
  type DependencyCondition,
  describeDependency,
  judgeDependency,
  MAX_DEPENDENCY_COUNT,
} from "./dependencies.ts";
import { isPlatformError } from "./errors.ts";
import { DEFAULT_TENANT_ID, type JobId, type LeaseToken, type WorkerId } from "./ids.ts";
import { applyJobEvent, createJob, type JobState } from "./job.ts";
import { checkJobSpec } from "./job-spec.ts";
import { urgentSince } from "./scheduler/urgency.ts";

const OTHER = { jobId: "other" as JobId, condition: "succeeded" } as const;
const FACTS = {
  id: "job" as JobId,
  tenantId: DEFAULT_TENANT_ID,
  correlationId: "c",
  now: START,
};
const LEASE = {
  token: "token" as LeaseToken,
  workerId: "worker" as WorkerId,
  acknowledgeBy: after(10),
};

test("each condition asks for its ends, and gives up at the others", () => {
  // biome-ignore format: a table reads better in columns
  const verdicts: Record<DependencyCondition, Partial<Record<JobState, string>>> = {
    succeeded: { pending: "waits", assigned: "waits", running: "waits", succeeded: "holds",  failed: "broken", timed_out: "broken", cancelled: "broken" },
    failed:    { pending: "waits", assigned: "waits", running: "waits", succeeded: "broken", failed: "holds",  timed_out: "holds",  cancelled: "broken" },
    any:       { pending: "waits", assigned: "waits", running: "waits", succeeded: "holds",  failed: "holds",  timed_out: "holds",  cancelled: "holds" },
  };
  for (const [condition, states] of Object.entries(verdicts)) {
    for (const [state, verdict] of Object.entries(states)) {
      const dependency = {
        condition: condition as DependencyCondition,
        afterState: state as JobState,
      };
      assert.equal(judgeDependency(dependency), verdict, `${condition} ${state}`);
    }
  }
});

test("what is waited for is said in words", () => {
  const says = (condition: DependencyCondition, afterState: JobState) =>
    describeDependency({ jobId: FACTS.id, afterId: OTHER.jobId, condition, afterState });
  assert.equal(says("succeeded", "running"), "waits for job other (running) to succeed");
  assert.equal(says("any", "pending"), "waits for job other (pending) to end");
  assert.equal(says("failed", "succeeded"), "job other was to fail, and has ended as succeeded");
});

test("a job that waits for others is not assigned, and ages from when it is let go", () => {
  const job = createJob(aJobSpec({ after: [OTHER], priority: 3 }), FACTS);
  const assigned = { type: "assigned", at: after(1), lease: LEASE } as const;
  const isIllegal = (error: unknown) => isPlatformError(error, "failed_precondition");
  assert.throws(() => applyJobEvent(job, assigned), isIllegal);
  const free = applyJobEvent(job, { type: "unblocked", at: after(500) });
  assert.equal(free.isBlocked, false);
  assert.deepEqual([free.runAt, free.urgentSince], [after(500), urgentSince(after(500), 3)]);
  assert.throws(() => applyJobEvent(free, { type: "unblocked", at: after(501) }), isIllegal);
  assert.equal(applyJobEvent(free, assigned).state, "assigned");
});

test("a job that is let go before its time still waits for that", () => {
  const spec = aJobSpec({ after: [OTHER], notBefore: after(1_000) });
  const free = applyJobEvent(createJob(spec, FACTS), { type: "unblocked", at: after(500) });
  assert.deepEqual([free.runAt, free.urgentSince], [after(1_000), urgentSince(after(1_000), 0)]);
});

test("so many jobs may be waited for, each once", () => {
  const others = Array.from({ length: MAX_DEPENDENCY_COUNT }, (_, index) => ({
    ...OTHER,
    jobId: `job-${index}` as JobId,
  }));
  checkJobSpec(aJobSpec({ after: others }));
  assert.throws(() => checkJobSpec(aJobSpec({ after: [...others, OTHER] })), /at most 100/);
  assert.throws(
    () => checkJobSpec(aJobSpec({ after: [OTHER, { ...OTHER, condition: "any" }] })),
    /job other is named more than once/,
  );
});

import assert from "node:assert/strict";
import { test } from "node:test";
import {
  after,
  aJob,
  aJobSpec,
  anyExitReason,
  anyJobEvent,
  anyOutcome,
  anyRetryPolicy,
  START,
} from "@hodei/testkit";
import fc from "fast-check";
import { EXIT_REASONS, type ExitReason, outcomeOf } from "./exit-reasons.ts";
import type { JobId, LeaseToken, WorkerId } from "./ids.ts";
import {
  applyJobEvent,
  applyJobEvents,
  attributePreemption,
  attributeTimeout,
  createJob,
  endAskedAt,
  isTerminal,
  JOB_TRANSITIONS,
  type Job,
  type JobEvent,
  queueDeadline,
  queueOutcome,
  runTimeLeftMs,
  settle,
} from "./job.ts";
import type { JobSpec } from "./job-spec.ts";
import { DEFAULT_RETRY_POLICY, isRetried, type RetryPolicy } from "./retry-policy.ts";

const HALF = () => 0.5;

test("a lease exists only while an attempt is out, and the end is final", () => {
  const anyHistory = fc.array(anyJobEvent(), { maxLength: 40 });
  fc.assert(
    fc.property(anyHistory, (events) => {
      let job = aJob();
      for (const event of events) {
        if (JOB_TRANSITIONS[job.state][event.type] === undefined) {
          assert.throws(() => applyJobEvent(job, event), {
            code: "failed_precondition",
            reason: "illegal_transition",
          });
          continue;
        }
        const next = applyJobEvent(job, event);
        assert.equal(isTerminal(job.state), false);
        assert.equal(next.lease !== null, next.state === "assigned" || next.state === "running");
        assert.equal(next.finishedAt !== null, isTerminal(next.state));
        assert.equal(next.outcome !== null, isTerminal(next.state));
        assert.equal(next.attempt - job.attempt, event.type === "assigned" ? 1 : 0);
        assert.equal(next.startedAttempts - job.startedAttempts, event.type === "started" ? 1 : 0);
        assert.equal(next.version, job.version, "stores count versions");
        job = next;
      }
    }),
  );
});

test("every state but pending is reached, and every end from where it must be", () => {
  const targets = new Set(Object.values(JOB_TRANSITIONS).flatMap((row) => Object.values(row)));
  assert.deepEqual([...targets].toSorted(), Object.keys(JOB_TRANSITIONS).toSorted());
  assert.deepEqual((Object.keys(JOB_TRANSITIONS) as Job["state"][]).filter(isTerminal).toSorted(), [
    "cancelled",
    "failed",
    "succeeded",
    "timed_out",
  ]);
  // A worker that was told to cancel may report the end of an attempt that never said it had started.
  for (const state of ["pending", "assigned", "running"] as const) {
    assert.equal(JOB_TRANSITIONS[state].cancelled, "cancelled");
  }
});

test("a new job starts at once unless its spec says when", () => {
  const facts = { id: aJob().id, tenantId: aJob().tenantId, correlationId: "c", now: START };
  assert.deepEqual(createJob(aJobSpec(), facts).runAt, START);
  assert.deepEqual(createJob(aJobSpec({ notBefore: after(5) }), facts).runAt, after(5));
});

test("the first cancel request is the one that is kept", () => {
  const running = aJob({ state: "running" });
  const job = applyJobEvents(running, [
    { type: "cancel_requested", at: after(1), by: "first" },
    { type: "cancel_requested", at: after(2), by: "second" },
  ]);
  assert.deepEqual(job.cancelRequest, { at: after(1), by: "first" });
});

test("the queue time-out counts from the creation to the first start", () => {
  const withTimeout = (startedAttempts: number, queueMs: number | null) => {
    const { policy } = aJob();
    const timeouts = { ...policy.timeouts, queueMs };
    return queueDeadline(aJob({ startedAttempts, policy: { ...policy, timeouts } }));
  };
  assert.deepEqual(withTimeout(0, 500), after(500));
  assert.equal(withTimeout(1, 500), null);
  assert.equal(withTimeout(0, null), null);
});

function runningJob(retryPolicy: RetryPolicy, parts: Partial<Job> = {}): Job {
  const { policy } = aJob();
  return aJob({
    state: "running",
    startedAttempts: 1,
    policy: { ...policy, retryPolicy },
    ...parts,
  });
}

const CANCEL = { at: after(1), by: "somebody" };
const lastType = (events: readonly JobEvent[]) => events.at(-1)?.type;

test("the end of an attempt is always one that the table allows, and says how it ended", () => {
  const anyCase = fc.record({
    policy: anyRetryPolicy(),
    startedAttempts: fc.integer({ min: 1, max: 100 }),
    outcome: anyOutcome(),
    cancelled: fc.boolean(),
    random: fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
  });
  fc.assert(
    fc.property(anyCase, ({ policy, startedAttempts, outcome, cancelled, random }) => {
      const job = runningJob(policy, { startedAttempts, cancelRequest: cancelled ? CANCEL : null });
      const events = settle(job, outcome, after(10), () => random);
      const settled = applyJobEvents(job, events);
      assert.ok(settled.state === "pending" || isTerminal(settled.state));
      if (settled.state === "pending") {
        assert.ok(!cancelled && isRetried(policy, outcome.reason));
        assert.ok(startedAttempts < policy.maxAttempts);
        const delayMs = settled.runAt.getTime() - after(10).getTime();
        assert.ok(delayMs >= 0 && delayMs <= policy.maxDelayMs);
      } else if (settled.outcome?.reason === outcome.reason) {
        assert.equal(settled.state, EXIT_REASONS[outcome.reason].endState);
        assert.deepEqual(settled.outcome, outcome);
      } else {
        assert.deepEqual([outcome.reason, settled.state], ["worker_lost", "cancelled"]);
      }
    }),
  );
});

test("a job with attempts left waits for the next one", () => {
  const job = runningJob({ ...DEFAULT_RETRY_POLICY, maxAttempts: 3 });
  const outcome = outcomeOf("non_zero_exit", "exit 1");
  assert.deepEqual(settle(job, outcome, after(10), HALF), [
    { type: "retry_scheduled", at: after(10), runAt: after(510), outcome },
  ]);
});

test("a job that has used its attempts says so before it ends; one that had a single one does not", () => {
  const outcome = outcomeOf("run_timeout", "");
  const end = { type: "timed_out", at: after(10), outcome };
  const used = runningJob({ ...DEFAULT_RETRY_POLICY, maxAttempts: 2 }, { startedAttempts: 2 });
  assert.deepEqual(settle(used, outcome, after(10), HALF), [
    { type: "retries_exhausted", at: after(10), attempts: 2 },
    end,
  ]);
  assert.deepEqual(settle(runningJob(DEFAULT_RETRY_POLICY), outcome, after(10), HALF), [end]);
});

test("what is not retried ends at once, however many attempts are left", () => {
  const policy = { ...DEFAULT_RETRY_POLICY, maxAttempts: 9 };
  const notRetried = (Object.keys(EXIT_REASONS) as ExitReason[]).filter(
    (reason) => !EXIT_REASONS[reason].retryable,
  );
  for (const reason of notRetried) {
    const events = settle(runningJob(policy), outcomeOf(reason, ""), after(10), HALF);
    assert.equal(events.length, 1);
    assert.equal(lastType(events), EXIT_REASONS[reason].endState);
  }
});

test("after a cancel request nothing is retried, and a lost worker counts as cancelled", () => {
  const policy = { ...DEFAULT_RETRY_POLICY, maxAttempts: 9 };
  fc.assert(
    fc.property(anyExitReason(), (reason) => {
      const job = runningJob(policy, { cancelRequest: CANCEL });
      const events = settle(job, outcomeOf(reason, ""), after(10), HALF);
      const expected = reason === "worker_lost" ? "cancelled" : EXIT_REASONS[reason].endState;
      assert.equal(lastType(events), expected);
      assert.ok(!events.some(({ type }) => type === "retry_scheduled"));
    }),
  );
});

const deadline = after(1_000);
const withTimeouts = (timeouts: Partial<Job["policy"]["timeouts"]>, parts: Partial<Job> = {}) => {
  const { policy } = aJob();
  return aJob({
    ...parts,
    policy: { ...policy, timeouts: { ...policy.timeouts, ...timeouts } },
  });
};

test("a job may wait to its deadline, and before its first attempt to its queue time-out", () => {
  const until = (queueMs: number | null, parts: Partial<Job>) =>
    queueDeadline(withTimeouts({ queueMs }, parts));
  assert.equal(until(null, {}), null);
  assert.deepEqual(until(500, {}), after(500));
  assert.deepEqual(until(500, { deadline }), after(500));
  assert.deepEqual(until(1_500, { deadline }), deadline);
  assert.deepEqual(until(500, { deadline, startedAttempts: 1 }), deadline);
  assert.equal(until(500, { startedAttempts: 1 }), null);
});

test("how a wait ends tells whether it was the deadline", () => {
  assert.equal(queueOutcome(aJob({ deadline }), after(999)).reason, "queue_timeout");
  assert.equal(queueOutcome(aJob({ deadline }), deadline).reason, "deadline_exceeded");
  assert.equal(queueOutcome(aJob(), after(9_999)).reason, "queue_timeout");
});

test("an attempt may run for its run time-out, or as long as the deadline leaves", () => {
  const left = (runMs: number | null, end: Date | null, nowMs: number) => {
    const { timeouts } = aJobSpec();
    return runTimeLeftMs({ timeouts: { ...timeouts, runMs }, deadline: end }, after(nowMs));
  };
  assert.equal(left(null, null, 0), null);
  assert.equal(left(300, null, 0), 300);
  assert.equal(left(null, deadline, 400), 600);
  assert.equal(left(300, deadline, 400), 300);
  assert.equal(left(700, deadline, 400), 600);
  assert.equal(left(700, deadline, 2_000), 1, "too late: it is ended at once");
});

test("a time-out of the deadline is told from one of the run", () => {
  const outcome = outcomeOf("run_timeout", "");
  const reason = (runMs: number | null, end: Date | null) =>
    attributeTimeout(withTimeouts({ runMs }, { deadline: end, startedAt: after(400) }), outcome)
      .reason;
  assert.equal(reason(300, null), "run_timeout");
  assert.equal(reason(600, deadline), "run_timeout");
  assert.equal(reason(601, deadline), "deadline_exceeded");
  assert.equal(reason(null, deadline), "deadline_exceeded");
  const ended = outcomeOf("non_zero_exit", "");
  assert.equal(attributeTimeout(aJob({ deadline, startedAt: after(1) }), ended), ended);
});

test("an attempt is not tried again when its pause would end at the deadline or after", () => {
  const policy = { ...DEFAULT_RETRY_POLICY, maxAttempts: 3 };
  const outcome = outcomeOf("non_zero_exit", "exit 1");
  const last = (end: Date) =>
    lastType(settle(runningJob(policy, { deadline: end }), outcome, after(10), HALF));
  assert.equal(last(after(511)), "retry_scheduled");
  assert.equal(last(after(510)), "failed");
});

test("a job ages from the instant it was first due", () => {
  const facts = { id: aJob().id, tenantId: aJob().tenantId, correlationId: "c", now: after(100) };
  const since = (parts: Partial<JobSpec>) => createJob(aJobSpec(parts), facts).urgentSince;
  assert.deepEqual(since({}), after(100));
  assert.deepEqual(since({ notBefore: after(50) }), after(100));
  assert.deepEqual(since({ notBefore: after(150) }), after(150));
  assert.deepEqual(since({ priority: 2 }), after(100 - 120_000));
});

const PREEMPTION = { at: after(5), byJobId: "p" as JobId };

test("an attempt that gives up its place sends its job back at once, and uses up no retry", () => {
  const running = runningJob(DEFAULT_RETRY_POLICY, { runAt: after(1), urgentSince: after(-9) });
  const asked = applyJobEvent(running, { type: "preempt_requested", ...PREEMPTION });
  const later = { type: "preempt_requested", at: after(6), byJobId: "q" as JobId } as const;
  assert.deepEqual(applyJobEvent(asked, later).preemption, PREEMPTION, "the first is kept");
  const outcome = attributePreemption(asked, {
    ...outcomeOf("cancelled_by", "x"),
    signal: "SIGTERM",
  });
  assert.deepEqual([outcome.reason, outcome.signal], ["preempted", "SIGTERM"]);
  const events = settle(asked, outcome, after(10), HALF);
  assert.deepEqual(events, [{ type: "preempted", at: after(10), outcome }]);
  const waiting = applyJobEvents(asked, events);
  assert.equal(waiting.state, "pending");
  assert.deepEqual([waiting.runAt, waiting.urgentSince], [after(1), after(-9)]);
  assert.deepEqual([waiting.preemption, waiting.preemptionCount], [PREEMPTION, 1]);
  const { lease } = aJob({ state: "running" });
  const again = {
    ...waiting,
    state: "running",
    startedAttempts: 2,
    lease,
    preemption: null,
  } as const;
  const failed = outcomeOf("non_zero_exit", "");
  assert.equal(lastType(settle(again, failed, after(20), HALF)), "failed", "its one try");
  const policy = { ...again.policy, retryPolicy: { ...DEFAULT_RETRY_POLICY, maxAttempts: 2 } };
  assert.equal(lastType(settle({ ...again, policy }, failed, after(20), HALF)), "retry_scheduled");
});

test("what ends an attempt before it gives up its place counts as it does without", () => {
  const asked = runningJob(DEFAULT_RETRY_POLICY, { preemption: PREEMPTION });
  const end = (job: Job, reason: ExitReason) =>
    lastType(settle(job, attributePreemption(job, outcomeOf(reason, "")), after(10), HALF));
  assert.equal(end(asked, "completed"), "succeeded");
  assert.equal(end(asked, "non_zero_exit"), "failed");
  assert.equal(end(asked, "unkillable"), "failed");
  assert.equal(end(asked, "worker_lost"), "preempted", "it could not tell any more");
  const cancelled = { ...asked, cancelRequest: CANCEL };
  assert.equal(end(cancelled, "cancelled_by"), "cancelled");
  assert.equal(end(cancelled, "worker_lost"), "cancelled");
  assert.equal(end(runningJob(DEFAULT_RETRY_POLICY), "cancelled_by"), "cancelled");
});

test("the first who asks for the end of an attempt counts, and only while there is one", () => {
  const { lease } = applyJobEvent(aJob(), {
    type: "assigned",
    at: after(1),
    lease: { token: "t" as LeaseToken, workerId: "w" as WorkerId, acknowledgeBy: after(9) },
  });
  const held = runningJob(DEFAULT_RETRY_POLICY, { lease });
  assert.equal(endAskedAt(held), null);
  assert.deepEqual(endAskedAt({ ...held, preemption: PREEMPTION }), PREEMPTION.at);
  const both = { ...held, preemption: PREEMPTION, cancelRequest: CANCEL };
  assert.deepEqual(endAskedAt(both), CANCEL.at);
  assert.equal(endAskedAt({ ...both, lease: null }), null);
});

test("a promise of room lasts until the job has a worker", () => {
  const claimed = applyJobEvent(aJob(), {
    type: "room_claimed",
    at: after(1),
    workerId: "w" as WorkerId,
    victimIds: [],
  });
  assert.equal(claimed.claimedWorkerId, "w");
  const lease = { token: "t" as LeaseToken, workerId: "v" as WorkerId, acknowledgeBy: after(9) };
  const job = { ...claimed, preemption: PREEMPTION };
  const assigned = applyJobEvent(job, { type: "assigned", at: after(2), lease });
  assert.deepEqual([assigned.claimedWorkerId, assigned.preemption], [null, null]);
  const blocked = aJob({ isBlocked: true });
  assert.throws(
    () =>
      applyJobEvent(blocked, {
        type: "room_claimed",
        at: after(1),
        workerId: "w" as WorkerId,
        victimIds: [],
      }),
    { reason: "illegal_transition" },
  );
});

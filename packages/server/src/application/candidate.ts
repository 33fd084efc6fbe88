import { type Candidate, type Job, needOf } from "@hodei/domain";
import { limitsOf } from "./limits.ts";

/** A job that waits, as plans see it. */
export function toCandidate(job: Job): Candidate {
  const { version, urgentSince, policy, claimedWorkerId } = job;
  const { priority } = policy;
  return { ...needOf(job), ...limitsOf(job), version, priority, urgentSince, claimedWorkerId };
}

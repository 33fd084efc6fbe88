import { DependencyCondition } from "@hodei/proto/hodei/v1/job";
import type { JobSpecInit } from "@hodei/sdk";
import { InvalidValue } from "./invalid-value.ts";
import { parseId } from "./scalars.ts";

const CONDITIONS = {
  succeeded: DependencyCondition.SUCCEEDED,
  failed: DependencyCondition.FAILED,
  any: DependencyCondition.ANY,
} as const;

/** A dependency of a text such as `JOB=any`; without a condition, the job has to succeed. @throws InvalidValue */
export function parseDependency(text: string): NonNullable<JobSpecInit["after"]>[number] {
  const [jobId = "", condition = "succeeded", ...rest] = text.split("=");
  if (rest.length > 0 || !Object.hasOwn(CONDITIONS, condition)) {
    throw new InvalidValue(
      `${JSON.stringify(text)} is not the id of a job, or one with =succeeded, =failed or =any`,
    );
  }
  return { jobId: parseId(jobId), condition: CONDITIONS[condition as keyof typeof CONDITIONS] };
}

import { isTerminal, JOB_TRANSITIONS, type JobState } from "@hodei/domain";

const STATES = Object.keys(JOB_TRANSITIONS) as JobState[];
const END_TYPES: readonly string[] = STATES.filter(isTerminal).map((state) => `job.${state}`);

/** Whether an event of this type ends its job. */
export const isJobEnd = (eventType: string): boolean => END_TYPES.includes(eventType);

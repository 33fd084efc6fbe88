export type SubjectType = "job" | "worker" | "secret";

/**
 * What led to an event: a call as `request/<id>`, an earlier write to a subject as `job/<id>/<version>` (or `worker/…`),
 * or a decision of the platform's own as `loop/<name>`.
 */
export type Cause = string;

export const requestCause = (requestId: string): Cause => `request/${requestId}`;

/** The write that gave the subject this version. */
export const writeCause = (
  subjectType: SubjectType,
  { id, version }: { readonly id: string; readonly version: number },
): Cause => `${subjectType}/${id}/${version}`;

export const loopCause = (name: string): Cause => `loop/${name}`;

import type { Row } from "./row.ts";
import { controlPlane } from "./rows/control-plane.ts";
import { createJob } from "./rows/create-job.ts";
import { discovery } from "./rows/discovery.ts";
import { idleSessions } from "./rows/idle-sessions.ts";
import { launch } from "./rows/launch.ts";
import { logs } from "./rows/logs.ts";
import { placement } from "./rows/placement.ts";
import { recovery } from "./rows/recovery.ts";
import { redact } from "./rows/redact.ts";
import { shortJobs } from "./rows/short-jobs.ts";
import { submitStart } from "./rows/submit-start.ts";
import { worker } from "./rows/worker.ts";

/** Everything that is measured, in the order in which it runs. */
export const ROWS: readonly Row[] = [
  submitStart,
  shortJobs,
  createJob,
  launch,
  logs,
  redact,
  placement,
  controlPlane,
  worker,
  idleSessions,
  discovery,
  recovery,
];

import { randomUUID } from "node:crypto";
import { create, type DescMethod, isMessage } from "@bufbuild/protobuf";
import { MethodOptions_IdempotencyLevel } from "@bufbuild/protobuf/wkt";
import type { Interceptor } from "@connectrpc/connect";
import { Health } from "@hodei/proto/grpc/health/v1/health";
import {
  CreateJobRequestSchema,
  CreateJobsRequestSchema,
  JobService,
  RetryJobRequestSchema,
} from "@hodei/proto/hodei/v1/job_service";
import { WorkerAdminService } from "@hodei/proto/hodei/v1/worker_admin_service";
import { backoffMs, pause } from "./backoff.ts";
import { toHodeiError } from "./errors.ts";

/** How often one call is sent at most when the server is unavailable. */
export const TRIES_MAX = 4;

/** Sends `token` with every call, as a bearer token. */
export function sendToken(token: string): Interceptor {
  return (next) => (request) => {
    request.header.set("authorization", `Bearer ${token}`);
    return next(request);
  };
}

/** Gives requests that create jobs a random idempotency key where they have none, so that they can be repeated. */
export const fillIdempotencyKeys: Interceptor = (next) => (request) => {
  if (request.stream) return next(request);
  const { message } = request;
  // Copies: the message may be the caller's own, who may send it again to create another job.
  if (isMessage(message, CreateJobRequestSchema) || isMessage(message, RetryJobRequestSchema)) {
    return next({ ...request, message: withKey(message) });
  }
  if (isMessage(message, CreateJobsRequestSchema)) {
    const jobs = message.jobs.map(withKey);
    return next({ ...request, message: create(CreateJobsRequestSchema, { jobs }) });
  }
  return next(request);
};

const withKey = <T extends { idempotencyKey: string }>(message: T): T => ({
  ...message,
  idempotencyKey: message.idempotencyKey || randomUUID(),
});

/**
 * Repeats a unary call up to `TRIES_MAX` times in all while the server is unavailable, if a repeat is safe.
 * The call's time-out and signal span all tries.
 */
export const retryUnavailable: Interceptor = (next) => async (request) => {
  if (request.stream || !isSafeToRepeat(request.method)) return next(request);
  for (let tries = 1; tries < TRIES_MAX; tries += 1) {
    try {
      return await next(request);
    } catch (error) {
      if (toHodeiError(error, request.signal).code !== "unavailable") throw error;
      await pause(backoffMs(tries), request.signal);
    }
  }
  return next(request);
};

/** Methods that change something, yet may be repeated: by an idempotency key, or by their contract. */
const REPEATABLE_METHODS: ReadonlySet<DescMethod> = new Set<DescMethod>([
  JobService.method.createJob,
  JobService.method.createJobs,
  JobService.method.retryJob,
  JobService.method.cancelJob,
  JobService.method.explainJob,
  WorkerAdminService.method.drainWorker,
  Health.method.check,
]);

function isSafeToRepeat(method: DescMethod): boolean {
  return (
    method.idempotency !== MethodOptions_IdempotencyLevel.IDEMPOTENCY_UNKNOWN ||
    REPEATABLE_METHODS.has(method)
  );
}

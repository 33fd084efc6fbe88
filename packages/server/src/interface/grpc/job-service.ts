import type { ServiceImpl } from "@connectrpc/connect";
import { parseJobId } from "@hodei/domain";
import type { CreateJobRequest, JobService } from "@hodei/proto/hodei/v1/job_service";
import {
  type CreateJobInput,
  cancelJob,
  createJob,
  createJobs,
  type Deps,
  explainJob,
  getJob,
  listJobs,
  planJob,
  retryJob,
  watchJob,
} from "../../application/index.ts";
import { getPrincipal } from "./authenticate.ts";
import { getCaller } from "./caller.ts";
import { fromProtoJobFilter, toProtoAttempt, toProtoJob } from "./convert/job.ts";
import { fromProtoSpec, toProtoSpec } from "./convert/job-spec.ts";
import { fromProtoPage } from "./convert/page.ts";
import { toProtoOptionalTime } from "./convert/times.ts";
import { toProtoVerdict } from "./convert/verdict.ts";

export function jobService(deps: Deps): ServiceImpl<typeof JobService> {
  return {
    async createJob(request, context) {
      const job = await createJob(deps, getCaller(deps, context), fromProtoInput(request));
      return { job: toProtoJob(job) };
    },
    async createJobs(request, context) {
      const inputs = request.jobs.map(fromProtoInput);
      return { jobIds: [...(await createJobs(deps, getCaller(deps, context), inputs))] };
    },
    async getJob(request, context) {
      const id = parseJobId(request.jobId);
      const { job, spec, attempts, keptUntil } = await getJob(deps, getPrincipal(context), id);
      return {
        job: toProtoJob(job),
        spec: toProtoSpec(spec),
        attempts: attempts.map(toProtoAttempt),
        keptUntil: toProtoOptionalTime(keptUntil),
      };
    },
    async listJobs(request, context) {
      const filter = fromProtoJobFilter(request.filter);
      const page = await listJobs(deps, getPrincipal(context), filter, fromProtoPage(request));
      return { jobs: page.items.map(toProtoJob), nextPageToken: page.nextToken ?? "" };
    },
    async cancelJob(request, context) {
      const job = await cancelJob(deps, getCaller(deps, context), parseJobId(request.jobId));
      return { job: toProtoJob(job) };
    },
    async retryJob(request, context) {
      const { jobId, idempotencyKey } = request;
      const id = parseJobId(jobId);
      const job = await retryJob(deps, getCaller(deps, context), id, idempotencyKey || null);
      return { job: toProtoJob(job) };
    },
    async *watchJob(request, context) {
      const id = parseJobId(request.jobId);
      const jobs = watchJob(deps, getPrincipal(context), id, context.signal);
      for await (const job of jobs) yield { job: toProtoJob(job) };
    },
    async explainJob(request, context) {
      const id = parseJobId(request.jobId);
      const explanation = await explainJob(deps, getPrincipal(context), id);
      return { job: toProtoJob(explanation.job), ...toProtoVerdict(explanation) };
    },
    async planJob(request, context) {
      const spec = fromProtoSpec(request.spec);
      return toProtoVerdict(await planJob(deps, getPrincipal(context), spec));
    },
  };
}

function fromProtoInput({ spec, idempotencyKey }: CreateJobRequest): CreateJobInput {
  return { spec: fromProtoSpec(spec), idempotencyKey: idempotencyKey || null };
}

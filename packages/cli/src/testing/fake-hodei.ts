import { ExitReason, JobState } from "@hodei/proto/hodei/v1/job";
import { type CreateJobRequest, JobService } from "@hodei/proto/hodei/v1/job_service";
import { LogService, LogStream, type TailLogsRequest } from "@hodei/proto/hodei/v1/log_service";
import { createInProcessClient, type HodeiClient, type JobInit } from "@hodei/sdk";

export const JOB_ID = "0198c7a4-6a52-7c3e-9d0b-3f6f5b1f2a10";

export interface Act {
  /** What the job writes, in its order. */
  readonly output?: readonly (readonly ["out" | "err", string | Uint8Array])[];
  /** The changes it goes through, the last of them its end. Default: it succeeds. */
  readonly changes?: readonly JobInit[];
  /** Goes on after its first change only once it was cancelled. */
  readonly waitsForCancel?: boolean;
}

/** A server, reached in process, whose only job acts as it is told. */
export class FakeHodei {
  readonly client: HodeiClient;
  readonly created: CreateJobRequest[] = [];
  readonly tails: TailLogsRequest[] = [];
  cancels = 0;
  readonly #act: Act;
  readonly #cancelled = Promise.withResolvers<void>();

  constructor(act: Act = {}) {
    this.#act = act;
    this.client = createInProcessClient((router) => {
      router.service(JobService, {
        createJob: (request) => {
          this.created.push(request);
          return { job: this.#job({ state: JobState.PENDING, version: 1n }) };
        },
        createJobs: ({ jobs }) => {
          this.created.push(...jobs);
          return { jobIds: jobs.map((_, index) => `job-${index}`) };
        },
        cancelJob: () => {
          this.cancels += 1;
          this.#cancelled.resolve();
          return { job: this.#job({ state: JobState.RUNNING }) };
        },
        explainJob: () => ({ job: this.#job({ state: JobState.PENDING }), summary: "Waits." }),
        watchJob: (_, context) => this.#watch(context.signal),
      });
      router.service(LogService, { tailLogs: (request) => this.#tail(request) });
    });
  }

  #job(init: JobInit): JobInit {
    return { id: JOB_ID, name: "test", ...init };
  }

  async *#watch(signal: AbortSignal) {
    const changes = this.#act.changes ?? [succeeded];
    for (const [index, change] of changes.entries()) {
      if (index > 0 && this.#act.waitsForCancel) await orAborted(this.#cancelled.promise, signal);
      yield { job: this.#job({ version: BigInt(index + 2), attempt: 1, ...change }) };
    }
  }

  async *#tail(request: TailLogsRequest) {
    this.tails.push(request);
    let offset = 0n;
    for (const [stream, text] of this.#act.output ?? []) {
      const data = Buffer.from(text);
      const from = stream === "out" ? LogStream.STDOUT : LogStream.STDERR;
      yield { attempt: 1, chunks: [{ stream: from, offset, data }] };
      offset += BigInt(data.length);
    }
  }
}

export const running: JobInit = { state: JobState.RUNNING };

export const succeeded: JobInit = {
  state: JobState.SUCCEEDED,
  outcome: { reason: ExitReason.COMPLETED, exitCode: 0 },
};

export const cancelled: JobInit = {
  state: JobState.CANCELLED,
  outcome: { reason: ExitReason.CANCELLED_BY, message: "cancelled by a user" },
};

/** A job that ended by itself with this exit code. */
export const exited = (exitCode: number): JobInit => ({
  state: JobState.FAILED,
  outcome: { reason: ExitReason.NON_ZERO_EXIT, exitCode },
});

function orAborted(promise: Promise<void>, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    promise.then(resolve, reject);
    signal.addEventListener("abort", () => reject(signal.reason));
  });
}

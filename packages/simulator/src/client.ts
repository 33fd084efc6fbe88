import {
  DEFAULT_TENANT_ID,
  type Dependency,
  isPlatformError,
  isTerminal,
  type Job,
  type JobId,
} from "@hodei/domain";
import {
  cancelJob,
  createJob,
  type Deps,
  getJob,
  retryJob,
  tailLogs,
  watchJob,
} from "@hodei/server/application";
import type { Cluster } from "./cluster.ts";
import type { Answer, Tail } from "./history.ts";
import type { RandomStream } from "./random.ts";
import type { Request } from "./scenario.ts";
import type { World } from "./world.ts";

const PRINCIPAL = {
  name: "client",
  tenantId: DEFAULT_TENANT_ID,
  requestId: "request",
  correlationId: "simulated",
};
/** Between two tries of a call without an answer, and between two looks at a job. */
const TRY_AGAIN_MIN_MS = 200;
const TRY_AGAIN_MAX_MS = 3_000;
const LOOK_MIN_MS = 1_000;
const LOOK_MAX_MS = 8_000;

/** Submits the scenario's requests, insists on each until it has a clear answer, and sees its job to the end. */
export class Client {
  readonly #world: World;
  readonly #cluster: Cluster;
  #errandCount = 0;

  constructor(world: World, cluster: Cluster) {
    this.#world = world;
    this.#cluster = cluster;
  }

  /** Whether everything was answered, and the end of every job seen. */
  get isSatisfied(): boolean {
    return this.#errandCount === 0;
  }

  start(): void {
    const { scenario, random } = this.#world;
    for (const request of scenario.requests) {
      this.#go(this.#pursue(request, random.split(`client/${request.name}`)));
    }
  }

  #go(errand: Promise<void>): void {
    this.#errandCount += 1;
    const done = errand.then(() => {
      this.#errandCount -= 1;
    });
    this.#world.follow("client", done);
  }

  async #pursue(request: Request, random: RandomStream): Promise<void> {
    const { idempotencyKey, cancelAfterMs } = request;
    await this.#world.clock.sleep(request.atMs);
    const after = this.#latest(request);
    const spec = { ...request.spec, after };
    const what = { request: request.name, idempotencyKey, after };
    const jobId = await this.#create(random, what, (deps) =>
      createJob(deps, PRINCIPAL, { spec, idempotencyKey }),
    );
    if (cancelAfterMs !== null) {
      this.#go(this.#cancel(jobId, cancelAfterMs, random.split("cancel")));
    }
    if (request.isTailed) this.#go(this.#tail(jobId, random.split("tail")));
    await this.#see(jobId, request, random);
    if (!request.isRunAgain) return;
    const name = `${request.name} again`;
    const again = { request: name, idempotencyKey: name, after };
    const againId = await this.#create(random, again, (deps) =>
      retryJob(deps, PRINCIPAL, jobId, name),
    );
    await this.#see(againId, request, random);
  }

  /** One dependency for each condition, as far as there are jobs to wait for. */
  #latest({ conditions }: Request): readonly Dependency[] {
    const known = [...new Set(this.#world.history.answers.map(({ jobId }) => jobId))].toReversed();
    return conditions.flatMap((condition, index) => {
      const jobId = known[index];
      return jobId === undefined ? [] : [{ jobId, condition }];
    });
  }

  async #create(
    random: RandomStream,
    what: Omit<Answer, "atMs" | "jobId">,
    useCase: (deps: Deps) => Promise<Job>,
  ): Promise<JobId> {
    const { id } = await this.#insist(random, () => this.#cluster.call(useCase));
    const { clock, history, trace } = this.#world;
    history.answers.push({ ...what, atMs: clock.elapsedMs, jobId: id });
    trace.add("client", `knows that ${what.request} is a job`, id);
    return id;
  }

  async #cancel(jobId: JobId, afterMs: number, random: RandomStream): Promise<void> {
    const { clock, history, trace } = this.#world;
    await clock.sleep(afterMs);
    await this.#insist(random, () =>
      this.#cluster.call((deps) => cancelJob(deps, PRINCIPAL, jobId)),
    );
    history.cancelAnswers.push({ atMs: clock.elapsedMs, jobId });
    trace.add("client", "knows that the cancel was taken", jobId);
  }

  /** Sees the job to its end: by a stream of its states, or by looking now and then. */
  async #see(jobId: JobId, { isWatched }: Request, random: RandomStream): Promise<void> {
    if (isWatched) {
      await this.#insist(random, () =>
        this.#cluster.stream(
          (deps, stop) => watchJob(deps, PRINCIPAL, jobId, stop),
          (job) => this.#observe(job),
        ),
      );
    }
    for (;;) {
      const job = await this.#look(jobId, random);
      this.#observe(job);
      if (isTerminal(job.state)) return;
      await this.#world.clock.sleep(random.integer(LOOK_MIN_MS, LOOK_MAX_MS));
    }
  }

  async #look(jobId: JobId, random: RandomStream): Promise<Job> {
    const { job } = await this.#insist(random, () =>
      this.#cluster.call((deps) => getJob(deps, PRINCIPAL, jobId)),
    );
    return job;
  }

  #observe({ id: jobId, state, version }: Job): void {
    const { clock, history } = this.#world;
    history.observations.push({ atMs: clock.elapsedMs, jobId, state, version });
  }

  /** Follows the logs of all attempts, each to its end. */
  async #tail(jobId: JobId, random: RandomStream): Promise<void> {
    for (let attempt = 1; ; attempt += 1) {
      const tail: Tail = { jobId, attempt, chunks: [], isComplete: false };
      this.#world.history.tails.push(tail);
      await this.#insist(random, () => this.#follow(tail));
      tail.isComplete = true;
      const job = await this.#look(jobId, random);
      if (isTerminal(job.state) && job.attempt <= attempt) return;
    }
  }

  /** Goes on where the stream before broke. */
  async #follow({ jobId, attempt, chunks }: Tail): Promise<void> {
    const last = chunks.at(-1);
    const offset = last === undefined ? 0 : last.offset + last.data.length;
    const from = { jobId, attempt, start: { kind: "offset", offset }, stream: null } as const;
    const input = { ...from, follow: true, lossy: false };
    await this.#cluster.stream(
      (deps, stop) => tailLogs(deps, PRINCIPAL, input, stop),
      (tailed) => chunks.push(...tailed.chunks),
    );
  }

  async #insist<T>(random: RandomStream, call: () => Promise<T>): Promise<T> {
    for (;;) {
      try {
        return await call();
      } catch (error) {
        if (!isPlatformError(error, "unavailable")) throw error;
        await this.#world.clock.sleep(random.integer(TRY_AGAIN_MIN_MS, TRY_AGAIN_MAX_MS));
      }
    }
  }
}

import {
  DEFAULT_TENANT_ID,
  isPlatformError,
  isTerminal,
  type Job,
  type JobId,
} from "@hodei/domain";
import { cancelJob, createJob, type Deps, getJob, retryJob } from "@hodei/server/application";
import type { Cluster } from "./cluster.ts";
import type { RandomStream } from "./random.ts";
import type { Request } from "./scenario.ts";
import type { World } from "./world.ts";

const PRINCIPAL = { name: "client", tenantId: DEFAULT_TENANT_ID };
/** Between two tries of a call without an answer, and between two looks at a job. */
const TRY_AGAIN_MIN_MS = 200;
const TRY_AGAIN_MAX_MS = 3_000;
const LOOK_MIN_MS = 1_000;
const LOOK_MAX_MS = 8_000;

/** Submits the scenario's requests, and insists on each until it has a clear answer. */
export class Client {
  readonly #world: World;
  readonly #cluster: Cluster;
  #pursuedCount = 0;

  constructor(world: World, cluster: Cluster) {
    this.#world = world;
    this.#cluster = cluster;
  }

  /** Whether every request was answered, and the end of its job seen. */
  get isSatisfied(): boolean {
    return this.#pursuedCount === 0;
  }

  start(): void {
    const { scenario, random } = this.#world;
    for (const request of scenario.requests) {
      this.#pursuedCount += 1;
      this.#world.follow("client", this.#pursue(request, random.split(`client/${request.name}`)));
    }
  }

  async #pursue(request: Request, random: RandomStream): Promise<void> {
    const { clock } = this.#world;
    const { spec, idempotencyKey } = request;
    await clock.sleep(request.atMs);
    const jobId = await this.#create(random, request.name, idempotencyKey, (deps) =>
      createJob(deps, PRINCIPAL, { spec, idempotencyKey }),
    );
    if (request.cancelAfterMs !== null) {
      this.#world.follow("client", this.#cancel(jobId, request.cancelAfterMs, random));
    }
    await this.#watch(jobId, random);
    if (request.isRunAgain) {
      const name = `${request.name} again`;
      const againId = await this.#create(random, name, name, (deps) =>
        retryJob(deps, PRINCIPAL, jobId, name),
      );
      await this.#watch(againId, random);
    }
    this.#pursuedCount -= 1;
  }

  async #create(
    random: RandomStream,
    request: string,
    idempotencyKey: string | null,
    useCase: (deps: Deps) => Promise<Job>,
  ): Promise<JobId> {
    const { id } = await this.#insist(random, useCase);
    const { clock, history, trace } = this.#world;
    history.answers.push({ atMs: clock.elapsedMs, request, idempotencyKey, jobId: id });
    trace.add("client", `knows that ${request} is a job`, id);
    return id;
  }

  async #cancel(jobId: JobId, afterMs: number, random: RandomStream): Promise<void> {
    const { clock, history, trace } = this.#world;
    await clock.sleep(afterMs);
    await this.#insist(random, (deps) => cancelJob(deps, PRINCIPAL, jobId));
    history.cancelAnswers.push({ atMs: clock.elapsedMs, jobId });
    trace.add("client", "knows that the cancel was taken", jobId);
  }

  /** Looks at the job now and then, up to its end. */
  async #watch(jobId: JobId, random: RandomStream): Promise<void> {
    const { clock, history } = this.#world;
    for (;;) {
      await clock.sleep(random.integer(LOOK_MIN_MS, LOOK_MAX_MS));
      const { job } = await this.#insist(random, (deps) => getJob(deps, PRINCIPAL, jobId));
      const { state, version } = job;
      history.observations.push({ atMs: clock.elapsedMs, jobId, state, version });
      if (isTerminal(state)) return;
    }
  }

  async #insist<T>(random: RandomStream, useCase: (deps: Deps) => Promise<T>): Promise<T> {
    for (;;) {
      try {
        return await this.#cluster.call(useCase);
      } catch (error) {
        if (!isPlatformError(error, "unavailable")) throw error;
        await this.#world.clock.sleep(random.integer(TRY_AGAIN_MIN_MS, TRY_AGAIN_MAX_MS));
      }
    }
  }
}

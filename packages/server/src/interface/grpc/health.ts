import { EventEmitter, once } from "node:events";
import type { ServiceImpl } from "@connectrpc/connect";
import { PlatformError } from "@hodei/domain";
import {
  type Health,
  HealthCheckResponse_ServingStatus as ServingStatus,
} from "@hodei/proto/grpc/health/v1/health";

export type HealthStatus = "serving" | "not_serving";

const STATUSES = {
  serving: ServingStatus.SERVING,
  not_serving: ServingStatus.NOT_SERVING,
} as const satisfies Record<HealthStatus, ServingStatus>;

/** Whether the services of a listener work. The empty name stands for the server as a whole. */
export class HealthState {
  readonly #statuses = new Map<string, HealthStatus>();
  readonly #changes = new EventEmitter().setMaxListeners(0);
  #isShutDown = false;

  /** Does nothing after `shutDown`. */
  set(service: string, status: HealthStatus): void {
    if (this.#isShutDown || this.#statuses.get(service) === status) return;
    this.#statuses.set(service, status);
    this.#changes.emit("change");
  }

  /** Nothing serves from now on. */
  shutDown(): void {
    for (const service of this.#statuses.keys()) this.set(service, "not_serving");
    this.#isShutDown = true;
  }

  /** `undefined` for a service that was never set. */
  get(service: string): HealthStatus | undefined {
    return this.#statuses.get(service);
  }

  /** Resolves at the next change of any service. @throws AbortError once `signal` aborts */
  async changed(signal: AbortSignal): Promise<void> {
    await once(this.#changes, "change", { signal });
  }
}

/** The standard health service; `state` is what it tells. Source: grpc/health/v1/health.proto. */
export function healthService(state: HealthState): ServiceImpl<typeof Health> {
  return {
    check({ service }) {
      const status = state.get(service);
      if (status !== undefined) return { status: STATUSES[status] };
      throw new PlatformError(
        "not_found",
        "unknown_service",
        `there is no service "${service.slice(0, 256)}" here`,
      );
    },
    async *watch({ service }, { signal }) {
      let told: ServingStatus | undefined;
      while (true) {
        const known = state.get(service);
        const status = known === undefined ? ServingStatus.SERVICE_UNKNOWN : STATUSES[known];
        if (status === told) {
          await state.changed(signal);
        } else {
          told = status;
          yield { status };
        }
      }
    },
  };
}

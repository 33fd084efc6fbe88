import type { ServiceImpl } from "@connectrpc/connect";
import { parseWorkerId } from "@hodei/domain";
import type { WorkerAdminService } from "@hodei/proto/hodei/v1/worker_admin_service";
import {
  createJoinToken,
  DEFAULT_JOIN_TOKEN_TTL_MS,
  type Deps,
  drainWorker,
  getWorker,
  JOINED_POOL,
  listWorkers,
} from "../../application/index.ts";
import { getPrincipal } from "./authenticate.ts";
import { getCaller } from "./caller.ts";
import { WORKER_STATES } from "./convert/enums.ts";
import { fromProtoPage } from "./convert/page.ts";
import { fromProtoDuration, toProtoTime } from "./convert/times.ts";
import { toProtoWorker } from "./convert/worker.ts";

export function workerAdminService(deps: Deps): ServiceImpl<typeof WorkerAdminService> {
  return {
    async listWorkers(request, context) {
      const states = request.states.map(WORKER_STATES.fromProto);
      const page = await listWorkers(deps, getPrincipal(context), states, fromProtoPage(request));
      return { workers: page.items.map(toProtoWorker), nextPageToken: page.nextToken ?? "" };
    },
    async getWorker(request, context) {
      const id = parseWorkerId(request.workerId);
      return { worker: toProtoWorker(await getWorker(deps, getPrincipal(context), id)) };
    },
    async drainWorker(request, context) {
      const id = parseWorkerId(request.workerId);
      return { worker: toProtoWorker(await drainWorker(deps, getCaller(deps, context), id)) };
    },
    async createJoinToken({ pool, ttl }, context) {
      const { token, expiresAt } = await createJoinToken(deps, getCaller(deps, context), {
        pool: pool || JOINED_POOL,
        ttlMs: ttl ? fromProtoDuration("ttl", ttl) : DEFAULT_JOIN_TOKEN_TTL_MS,
      });
      return { joinToken: token, expiresAt: toProtoTime(expiresAt) };
    },
  };
}

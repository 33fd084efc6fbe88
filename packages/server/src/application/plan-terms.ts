import { comingHosts, type PlanTerms } from "@hodei/domain";
import type { Deps } from "./deps.ts";
import type { Cluster } from "./hosts.ts";

/** The terms of every plan that this server makes, so that all who ask get the same. */
export function planTerms(
  { settings, pools }: Pick<Deps, "settings" | "pools">,
  {
    cluster,
    ...moment
  }: Pick<PlanTerms, "now" | "limits" | "fairShare"> & { readonly cluster: Cluster },
): PlanTerms {
  const { placementPolicy: policy, reserveAfterMs, provisionTimeoutMs: comingWaitMs } = settings;
  const { held, workers } = cluster;
  const coming = comingHosts(
    pools.map(({ pool }) => pool),
    workers,
  );
  const preemption = { held, comingHosts: coming, comingWaitMs };
  return { policy, reserveAfterMs, explainedId: null, preemption, ...moment };
}

import type { HeldAttempt, PlanTerms } from "@hodei/domain";
import type { Settings } from "./settings.ts";

/** The terms of every plan that this server makes, so that all who ask get the same. */
export function planTerms(
  settings: Pick<Settings, "placementPolicy" | "reserveAfterMs" | "tenantWeights">,
  {
    held,
    ...moment
  }: Pick<PlanTerms, "now" | "limits"> & { readonly held: readonly HeldAttempt[] },
): PlanTerms {
  const { placementPolicy: policy, reserveAfterMs, tenantWeights: weights } = settings;
  return { policy, reserveAfterMs, explainedId: null, fairShare: { weights, held }, ...moment };
}

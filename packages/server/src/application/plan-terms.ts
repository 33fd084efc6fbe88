import type { PlanTerms } from "@hodei/domain";
import type { Settings } from "./settings.ts";

/** The terms of every plan that this server makes, so that all who ask get the same. */
export function planTerms(
  { placementPolicy, reserveAfterMs }: Pick<Settings, "placementPolicy" | "reserveAfterMs">,
  now: Date,
): PlanTerms {
  return { policy: placementPolicy, now, reserveAfterMs, explainedId: null };
}

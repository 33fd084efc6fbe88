import type { PlanTerms } from "@hodei/domain";
import type { Settings } from "./settings.ts";

/** The terms of every plan that this server makes, so that all who ask get the same. */
export function planTerms(
  { placementPolicy, reserveAfterMs }: Pick<Settings, "placementPolicy" | "reserveAfterMs">,
  moment: Pick<PlanTerms, "now" | "limits" | "fairShare">,
): PlanTerms {
  return { policy: placementPolicy, reserveAfterMs, explainedId: null, ...moment };
}

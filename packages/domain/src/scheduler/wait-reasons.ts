import { type Filter, type RejectionCode, rejection } from "./filters.ts";
import type { Host, Need } from "./host.ts";

/** Why a job waits. `workerCount` workers say so. */
export interface WaitReason {
  readonly code: RejectionCode | "fair_share" | "no_workers";
  readonly message: string;
  readonly workerCount: number;
}

/** Why no host takes a job: each host gives the first filter that rejects it. The most frequent reason first. */
export function waitReasons(need: Need, hosts: readonly Host[]): readonly WaitReason[] {
  if (hosts.length === 0) {
    const message = "no worker is connected and taking jobs";
    return [{ code: "no_workers", message, workerCount: 0 }];
  }
  const reasons = new Map<string, { readonly filter: Filter; workerCount: number }>();
  for (const host of hosts) {
    const filter = rejection(host, need);
    if (filter === undefined) continue;
    const text = filter.describe(host, need);
    const known = reasons.get(text);
    if (known === undefined) reasons.set(text, { filter, workerCount: 1 });
    else known.workerCount += 1;
  }
  return [...reasons]
    .map(([text, { filter, workerCount }]) => ({
      code: filter.code,
      message: `${workerCount} of ${hosts.length} workers ${text}`,
      workerCount,
    }))
    .toSorted((a, b) => b.workerCount - a.workerCount);
}

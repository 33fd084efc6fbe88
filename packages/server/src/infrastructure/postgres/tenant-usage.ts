import type { LineCounts, LogBatch } from "@hodei/domain";
import type { StoredSegment } from "./log-row.ts";

/** What of a batch is stored. */
export interface LogPart extends Pick<LogBatch, "data" | "compression"> {
  readonly segments: readonly StoredSegment[];
  readonly lines: LineCounts;
}

const NO_LINES: LineCounts = { stdout: 0, stderr: 0 };

/** Bytes of the logs that tenants store on one day, within one transaction. */
export class TenantUsage {
  readonly limitedTenants = new Set<string>();
  readonly #limitBytes: number;
  readonly #storedBytes: Map<string, number>;
  readonly #addedBytes = new Map<string, number>();

  /** `storedBytes`: of the day, before the transaction. */
  constructor(limitBytes: number, storedBytes: ReadonlyMap<string, number>) {
    this.#limitBytes = limitBytes;
    this.#storedBytes = new Map(storedBytes);
  }

  /** Takes `part` in; beyond the limit, a part of the same length in which its bytes are missing. */
  count(tenantId: string, part: LogPart): LogPart {
    const storedBytes = (this.#storedBytes.get(tenantId) ?? 0) + part.data.length;
    if (storedBytes > this.#limitBytes && part.data.length > 0) {
      this.limitedTenants.add(tenantId);
      return withoutData(part);
    }
    this.#storedBytes.set(tenantId, storedBytes);
    this.#addedBytes.set(tenantId, (this.#addedBytes.get(tenantId) ?? 0) + part.data.length);
    return part;
  }

  /** What was taken in: tenants in one order for everybody, so that nobody waits in a circle, and their bytes. */
  added(): readonly [tenantIds: readonly string[], bytes: readonly number[]] {
    const added = [...this.#addedBytes].toSorted(([a], [b]) => (a < b ? -1 : 1));
    return [added.map(([tenantId]) => tenantId), added.map(([, bytes]) => bytes)];
  }
}

/** Gaps in place of the data; runs of one stream become one. */
function withoutData({ segments }: LogPart): LogPart {
  const gaps: StoredSegment[] = [];
  for (const segment of segments) {
    const gap = { ...segment, gap: segment.gap ?? "tenant_limit" } as const;
    const last = gaps.at(-1);
    if (last?.stream !== gap.stream || last.gap !== gap.gap) gaps.push(gap);
    else gaps.splice(-1, 1, { ...last, lengthBytes: last.lengthBytes + gap.lengthBytes });
  }
  return { data: new Uint8Array(0), compression: "none", segments: gaps, lines: NO_LINES };
}

import type { Usage } from "@hodei/domain";

/** What an attempt used, as columns of it; all `null` when it is not known. */
export interface UsageColumns {
  readonly cpu_ms: number | null;
  readonly peak_memory_bytes: number | null;
  readonly read_bytes: number | null;
  readonly written_bytes: number | null;
}

export function toUsageColumns(usage: Usage | null): UsageColumns {
  return {
    cpu_ms: usage?.cpuMs ?? null,
    peak_memory_bytes: usage?.peakMemoryBytes ?? null,
    read_bytes: usage?.readBytes ?? null,
    written_bytes: usage?.writtenBytes ?? null,
  };
}

export function fromUsageColumns(row: UsageColumns): Usage | null {
  if (row.cpu_ms === null) return null;
  return {
    cpuMs: row.cpu_ms,
    peakMemoryBytes: row.peak_memory_bytes ?? 0,
    readBytes: row.read_bytes ?? 0,
    writtenBytes: row.written_bytes ?? 0,
  };
}

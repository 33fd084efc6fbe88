const UNITS = ["bytes", "KiB", "MiB", "GiB", "TiB", "PiB"] as const;

/** Bytes for people, in the largest unit that leaves at least 1: `4 GiB`, `1.5 MiB`. At most two decimals. */
export function describeBytes(bytes: number): string {
  const power = bytes < 1024 ? 0 : Math.min(UNITS.length - 1, Math.floor(Math.log2(bytes) / 10));
  return `${Number((bytes / 1024 ** power).toFixed(2))} ${UNITS[power]}`;
}

/** Thousandths of a core for people: `2 cores`, `1 core`, `0.5 cores`. */
export function describeCores(cpuMillis: number): string {
  return cpuMillis === 1_000 ? "1 core" : `${cpuMillis / 1_000} cores`;
}

import type { JobSpec } from "@hodei/domain";

/** Whether two specs ask for the same, whatever the order of their maps. */
export function sameSpec(a: JobSpec, b: JobSpec): boolean {
  return canonical(a) === canonical(b);
}

function canonical(spec: JobSpec): string {
  return JSON.stringify(spec, (_key, value: unknown) => {
    if (value instanceof Uint8Array) return Array.from(value);
    if (value === null || typeof value !== "object" || Array.isArray(value)) return value;
    return Object.fromEntries(Object.entries(value).toSorted(([a], [b]) => (a < b ? -1 : 1)));
  });
}

import type { Constraint } from "../job-spec.ts";

/** Whether `constraint` holds for a worker with `labels`. A missing label fails all but `ne` and `not_in`. */
export function holds(constraint: Constraint, labels: Readonly<Record<string, string>>): boolean {
  const { operator, values } = constraint;
  const actual = labels[constraint.label];
  switch (operator) {
    case "exists":
      return actual !== undefined;
    case "eq":
    case "in":
      return actual !== undefined && values.includes(actual);
    case "ne":
    case "not_in":
      return actual === undefined || !values.includes(actual);
    case "gt":
      return toNumber(actual) > toNumber(values[0]);
    case "lt":
      return toNumber(actual) < toNumber(values[0]);
  }
}

/** NaN for what is no number, so that every comparison with it fails. */
function toNumber(text: string | undefined): number {
  return text === undefined || text.trim() === "" ? Number.NaN : Number(text);
}

/** The constraint for people, such as `cores > 8`. */
export function describeConstraint({ label, operator, values }: Constraint): string {
  switch (operator) {
    case "exists":
      return label;
    case "eq":
      return `${label} = ${values[0]}`;
    case "ne":
      return `${label} != ${values[0]}`;
    case "gt":
      return `${label} > ${values[0]}`;
    case "lt":
      return `${label} < ${values[0]}`;
    case "in":
      return `${label} in ${values.join(", ")}`;
    case "not_in":
      return `${label} not in ${values.join(", ")}`;
  }
}

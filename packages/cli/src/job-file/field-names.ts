import { jobFileJsonSchema } from "./schema.ts";

type Schema = ReturnType<typeof jobFileJsonSchema>;

/** Names that the object at `path` of a job file may have. */
export function fieldNames(path: readonly PropertyKey[]): string[] {
  let schemas: readonly Schema[] = [jobFileJsonSchema()];
  for (const step of path)
    schemas = schemas.flatMap(withForms).flatMap((schema) => inner(schema, step));
  return schemas.flatMap(withForms).flatMap(({ properties }) => Object.keys(properties ?? {}));
}

/** A schema and the forms it may have. */
const withForms = (schema: Schema): readonly Schema[] => [
  schema,
  ...(schema.anyOf ?? []).filter(isSchema),
];

function inner({ items, properties }: Schema, step: PropertyKey): readonly Schema[] {
  const found = typeof step === "number" ? items : properties?.[String(step)];
  return isSchema(found) ? [found] : [];
}

const isSchema = (value: unknown): value is Schema =>
  typeof value === "object" && !Array.isArray(value);

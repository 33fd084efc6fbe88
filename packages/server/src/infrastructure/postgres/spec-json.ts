import { DEFAULT_ISOLATION, DEFAULT_LOG_POLICY, type InputFile, type JobSpec } from "@hodei/domain";

/** A spec in the form in which it is stored: bytes as base64, instants as ISO 8601. */
export type SpecJson = Omit<JobSpec, "stdin" | "files" | "notBefore" | AddedPart> & {
  readonly stdin: string;
  readonly files: readonly (Omit<InputFile, "content"> & { readonly content: string })[];
  readonly notBefore: string | null;
} & Partial<Pick<JobSpec, AddedPart>>;

/** Absent from what was stored before there were these. */
type AddedPart = "logPolicy" | "keepBackground" | "isolation";

export function toSpecJson(spec: JobSpec): SpecJson {
  return {
    ...spec,
    stdin: toBase64(spec.stdin),
    files: spec.files.map((file) => ({ ...file, content: toBase64(file.content) })),
    notBefore: spec.notBefore?.toISOString() ?? null,
  };
}

export function fromSpecJson(json: SpecJson): JobSpec {
  return {
    ...json,
    stdin: fromBase64(json.stdin),
    files: json.files.map((file) => ({ ...file, content: fromBase64(file.content) })),
    notBefore: json.notBefore === null ? null : new Date(json.notBefore),
    logPolicy: json.logPolicy ?? DEFAULT_LOG_POLICY,
    keepBackground: json.keepBackground ?? false,
    isolation: json.isolation ?? DEFAULT_ISOLATION,
  };
}

function toBase64(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("base64");
}

function fromBase64(text: string): Uint8Array {
  return new Uint8Array(Buffer.from(text, "base64"));
}

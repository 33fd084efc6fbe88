import type { InputFile, JobPolicy, JobSpec } from "@hodei/domain";

/** The columns of `job_spec` that make up a spec; what decisions need stands apart from the rest. */
export interface SpecColumns {
  readonly name: string;
  readonly labels: JobSpec["labels"];
  readonly policy: JobPolicy;
  readonly spec: SpecJson;
}

/** The rest of a spec as JSON: bytes as base64, instants as ISO 8601. */
export type SpecJson = Omit<
  JobSpec,
  "name" | "labels" | keyof JobPolicy | "stdin" | "files" | "notBefore" | "deadline"
> & {
  readonly stdin: string;
  readonly files: readonly (Omit<InputFile, "content"> & { readonly content: string })[];
  readonly notBefore: string | null;
  readonly deadline: string | null;
};

export function toSpecColumns(whole: JobSpec): SpecColumns {
  const { name, labels, priority, requirements, placement, timeouts, retryPolicy, ...others } =
    whole;
  const { preemptible, concurrency, rateLimit, retentionMs, ...rest } = others;
  const spec = {
    ...rest,
    stdin: toBase64(rest.stdin),
    files: rest.files.map((file) => ({ ...file, content: toBase64(file.content) })),
    notBefore: rest.notBefore?.toISOString() ?? null,
    deadline: rest.deadline?.toISOString() ?? null,
  };
  return {
    name,
    labels,
    policy: {
      priority,
      preemptible,
      requirements,
      placement,
      timeouts,
      retryPolicy,
      concurrency,
      rateLimit,
      retentionMs,
    },
    spec,
  };
}

export function fromSpecColumns({ name, labels, policy, spec }: SpecColumns): JobSpec {
  return {
    ...spec,
    ...policy,
    name,
    labels,
    stdin: fromBase64(spec.stdin),
    files: spec.files.map((file) => ({ ...file, content: fromBase64(file.content) })),
    notBefore: spec.notBefore === null ? null : new Date(spec.notBefore),
    deadline: spec.deadline === null ? null : new Date(spec.deadline),
  };
}

function toBase64(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("base64");
}

function fromBase64(text: string): Uint8Array {
  return new Uint8Array(Buffer.from(text, "base64"));
}

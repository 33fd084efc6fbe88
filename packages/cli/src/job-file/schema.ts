import {
  ConflictPolicy,
  ConstraintOperator,
  DependencyCondition,
  ExitReason,
  LogOverflow,
  PlacementPolicy,
  SecretForm,
} from "@hodei/proto/hodei/v1/job";
import { durationFromMs, timestampFromDate } from "@hodei/sdk";
import { z } from "zod";
import { enumValue, enumWords } from "../output/enum-word.ts";
import { parseDuration } from "../values/duration.ts";
import { InvalidValue } from "../values/invalid-value.ts";
import { parseInstant } from "../values/scalars.ts";
import { parseSize } from "../values/size.ts";

/** A text that `parse` turns into a value of the contract; what it refuses is a mistake in the file. */
function parsed<Value>(parse: (text: string) => Value) {
  return z.string().transform((text, context): Value => {
    try {
      return parse(text);
    } catch (error) {
      if (!(error instanceof InvalidValue)) throw error;
      context.addIssue({ code: "custom", message: error.message });
      return z.NEVER;
    }
  });
}

const duration = (meaning: string) =>
  parsed((text) => durationFromMs(parseDuration(text))).meta({
    description: `${meaning} A duration such as 500ms, 30s, 1m30s or 2h.`,
  });

const instant = (meaning: string) =>
  parsed((text) => timestampFromDate(parseInstant(text))).meta({
    description: `${meaning} ISO 8601 with UTC offset.`,
    format: "date-time",
  });

const size = (meaning: string) =>
  z
    .union([z.int().min(0).transform(BigInt), parsed((text) => BigInt(parseSize(text)))])
    .meta({ description: `${meaning} Bytes, or a size such as 512MiB.` });

/** One of the words of an enum of the contract. */
const word = <Value extends number>(names: Readonly<Record<string, Value>>) => {
  const [first = "", ...others] = enumWords(names);
  return z.enum([first, ...others]).transform((text) => enumValue(names, text) ?? z.NEVER);
};

const text = (meaning: string) => z.string().meta({ description: meaning });
const texts = z.array(z.string());
const pairs = (meaning: string) => z.record(z.string(), z.string()).meta({ description: meaning });
const count = (min: number, max: number, meaning: string) =>
  z.int().min(min).max(max).meta({ description: meaning });

const command = z
  .union([texts, z.strictObject({ argv: texts })])
  .meta({ description: "A program and its arguments, executed as they are, without a shell." });

const script = z
  .union([
    z.string(),
    z.strictObject({
      content: z.string(),
      interpreter: text("Runs a script without a `#!` line. Default: bash.").exactOptional(),
      args: texts.meta({ description: "Arguments of the script." }).exactOptional(),
      withoutSafetyPreamble: z
        .boolean()
        .meta({ description: "Leaves out `set -euo pipefail`." })
        .exactOptional(),
    }),
  ])
  .meta({ description: "A script, written to a private file and executed." });

const container = z.strictObject({ image: z.string(), argv: texts.exactOptional() }).meta({
  description: "A container to run.",
});

const file = z.strictObject({
  path: text("Relative to the attempt's private directory."),
  content: text("Text of the file.").exactOptional(),
  contentBase64: text("Bytes of the file, instead of `content`.").exactOptional(),
  executable: z.boolean().exactOptional(),
});

const constraint = z.strictObject({
  label: text("Name of a label of the worker."),
  operator: word(ConstraintOperator),
  values: texts.exactOptional(),
});

const resources = z.strictObject({
  cpuMillis: count(0, 1_024_000, "Thousandths of a core. Default: 1000.").exactOptional(),
  memoryBytes: size("Memory to set aside.").exactOptional(),
  diskBytes: size("Disk to set aside.").exactOptional(),
  gpuCount: count(0, 1024, "Whole GPUs, all of one worker.").exactOptional(),
  gpuModel: text("Model of the GPUs, as workers name it.").exactOptional(),
  arch: z.enum(["x64", "arm64"]).exactOptional(),
});

const timeouts = z.strictObject({
  queue: duration("Longest wait for the first attempt.").exactOptional(),
  run: duration("Longest run of one attempt.").exactOptional(),
  grace: duration("Between SIGTERM and SIGKILL. Default: 10s.").exactOptional(),
});

const retryPolicy = z.strictObject({
  maxAttempts: count(
    0,
    100,
    "Attempts that may start, the first included. Default: 1.",
  ).exactOptional(),
  baseDelay: duration("Upper bound of the first delay; doubles with each attempt.").exactOptional(),
  maxDelay: duration("Upper bound of every delay.").exactOptional(),
  reasons: z
    .array(word(ExitReason))
    .meta({ description: "Retried exit reasons. Default: every retryable one." })
    .exactOptional(),
});

/** One document of a job file: the job spec with the names of the contract, and the idempotency key. */
export const jobFileSchema = z
  .strictObject({
    idempotencyKey: text(
      "A repeat with the same key and spec creates no second job.",
    ).exactOptional(),
    name: text("Shown in lists.").exactOptional(),
    command: command.exactOptional(),
    script: script.exactOptional(),
    container: container.exactOptional(),
    env: pairs("Added to the clean environment of the attempt.").exactOptional(),
    workingDir: text("Absolute, or relative to the attempt's private directory.").exactOptional(),
    stdin: text("Text for standard input.").exactOptional(),
    stdinBase64: text("Bytes for standard input, instead of `stdin`.").exactOptional(),
    files: z
      .array(file)
      .meta({ description: "Written into the attempt's private directory before the start." })
      .exactOptional(),
    secrets: z
      .array(z.strictObject({ name: z.string(), form: word(SecretForm).exactOptional() }))
      .meta({ description: "Secrets to give it, each as a variable (env, default) or a file." })
      .exactOptional(),
    resources: resources.exactOptional(),
    constraints: z
      .array(constraint)
      .meta({ description: "All must hold for a worker." })
      .exactOptional(),
    preferences: z
      .array(
        z.strictObject({
          constraint,
          weight: count(-100, 100, "Added where the constraint holds."),
        }),
      )
      .meta({ description: "Each that holds makes a worker better, or worse, by its weight." })
      .exactOptional(),
    tolerations: z
      .array(z.strictObject({ key: z.string(), value: z.string().exactOptional() }))
      .meta({ description: "Taints of workers that it may run on. Without value: any." })
      .exactOptional(),
    placementPolicy: word(PlacementPolicy)
      .meta({ description: "How to choose among workers. Default: as the server is set." })
      .exactOptional(),
    priority: count(-100, 100, "Higher goes first. Default: 0.").exactOptional(),
    preemptible: z
      .boolean()
      .meta({ description: "May be ended for a job of higher priority, and run again." })
      .exactOptional(),
    labels: pairs("For selection in lists and filters.").exactOptional(),
    annotations: pairs("For people and tools; not indexed.").exactOptional(),
    tags: z
      .strictObject({
        project: z.string().exactOptional(),
        team: z.string().exactOptional(),
        costCentre: z.string().exactOptional(),
      })
      .meta({ description: "Who pays." })
      .exactOptional(),
    timeouts: timeouts.exactOptional(),
    retryPolicy: retryPolicy.exactOptional(),
    concurrency: z
      .strictObject({
        key: text("Jobs of one tenant with the same key take turns."),
        limit: count(0, 10_000, "So many of them run at once. Default: 1.").exactOptional(),
        onConflict: word(ConflictPolicy).exactOptional(),
      })
      .meta({
        description:
          "When the key is taken: wait (queue, default), cancel older ones (cancel_in_progress) or drop this one (drop_newest).",
      })
      .exactOptional(),
    rateLimit: z
      .strictObject({
        key: text("Jobs of one tenant with the same key share the rate."),
        count: count(1, 10_000, "Starts in any such time."),
        per: duration("Default: 1s.").exactOptional(),
      })
      .meta({ description: "At most so many attempts are given to workers in any such time." })
      .exactOptional(),
    after: z
      .array(
        z.strictObject({
          jobId: text("A job of the same tenant."),
          condition: word(DependencyCondition).exactOptional(),
        }),
      )
      .max(100)
      .meta({
        description:
          "Jobs to wait for: until each has succeeded (default), has failed (failed) or has ended (any).",
      })
      .exactOptional(),
    notBefore: instant("Not started before this instant.").exactOptional(),
    deadline: instant("Must have ended by this instant.").exactOptional(),
    budget: z
      .strictObject({
        currency: text("ISO 4217.").exactOptional(),
        maxMicros: z
          .int()
          .min(0)
          .transform(BigInt)
          .meta({ description: "Millionths of the currency unit." })
          .exactOptional(),
      })
      .exactOptional(),
    retention: z
      .strictObject({
        logs: duration("How long logs are kept.").exactOptional(),
        job: duration("How long the job is kept.").exactOptional(),
      })
      .exactOptional(),
    keepBackground: z
      .boolean()
      .meta({ description: "Leave processes alone that outlive the command. Default: end them." })
      .exactOptional(),
    isolation: z
      .strictObject({
        privateHome: z
          .boolean()
          .meta({ description: "HOME is a folder of the attempt, removed with it." })
          .exactOptional(),
        sandbox: z
          .boolean()
          .meta({
            description:
              "Read-only system, own /tmp and HOME, no other processes in sight. The worker needs bubblewrap.",
          })
          .exactOptional(),
      })
      .exactOptional(),
    logPolicy: z
      .strictObject({
        maxBytes: size(
          "Of one attempt's log; the rest is left out. Default: 1 GiB.",
        ).exactOptional(),
        overflow: word(LogOverflow).exactOptional(),
      })
      .meta({ description: "What becomes of output that is too much or too fast: drop or block." })
      .exactOptional(),
  })
  .meta({
    title: "Hodei job",
    description: "A job for `hodei submit -f`.",
    // `toJobRequest` checks it; said here for editors, because the schema of an object cannot.
    oneOf: [{ required: ["command"] }, { required: ["script"] }, { required: ["container"] }],
  });

export type JobDocument = z.output<typeof jobFileSchema>;

/** JSON Schema (draft 2020-12) of a job file, for editors; published as `docs/job.schema.json`. */
export function jobFileJsonSchema(): z.core.JSONSchema.BaseSchema {
  return z.toJSONSchema(jobFileSchema, { io: "input" });
}

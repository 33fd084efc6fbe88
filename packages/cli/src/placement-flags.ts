import { PlacementPolicy } from "@hodei/proto/hodei/v1/job";
import { timestampFromDate } from "@hodei/sdk";
import { type Command, Option } from "commander";
import { collectedBy, parsedBy } from "./define-command.ts";
import { enumValue, enumWords } from "./output/enum-word.ts";
import {
  type ConstraintText,
  type PreferenceText,
  parseConstraint,
  parseGpus,
  parsePreference,
  parseToleration,
} from "./values/constraint.ts";
import { defined } from "./values/defined.ts";
import { parseInstant } from "./values/scalars.ts";

/** Flags that say on which workers a job may run, and until when. */
export interface PlacementFlags {
  readonly constraint?: readonly ConstraintText[];
  readonly prefer?: readonly PreferenceText[];
  readonly tolerate?: readonly ReturnType<typeof parseToleration>[];
  readonly policy?: string;
  readonly gpu?: ReturnType<typeof parseGpus>;
  readonly deadline?: Date;
}

export function withPlacementOptions(command: Command): Command {
  return command
    .option(
      "--constraint <test>",
      "label that the worker must have: zone=a, zone=a,b, zone!=a, cores>8, ssd (repeatable)",
      collectedBy(parseConstraint),
    )
    .option(
      "--prefer <test>",
      "the same as a wish, with a weight in front if it is not 1: 10:zone=a (repeatable)",
      collectedBy(parsePreference),
    )
    .option(
      "--tolerate <taint>",
      "taint of workers that it may run on: key or key=value (repeatable)",
      collectedBy(parseToleration),
    )
    .addOption(
      new Option(
        "--policy <name>",
        "how to choose among workers; default: as the server is set",
      ).choices(enumWords(PlacementPolicy)),
    )
    .option("--gpu <count>", "GPUs to set aside: 2, or a100=2 of a model", parsedBy(parseGpus))
    .option(
      "--deadline <instant>",
      "when it must have ended, such as 2026-01-31T08:00:00Z",
      parsedBy(parseInstant),
    );
}

/** The parts of a spec that these flags describe, but for the GPUs. */
export function placementOf(flags: PlacementFlags) {
  const { constraint = [], prefer = [], tolerate = [], policy, deadline } = flags;
  return {
    constraints: [...constraint],
    preferences: [...prefer],
    tolerations: [...tolerate],
    ...defined({
      placementPolicy: policy === undefined ? undefined : enumValue(PlacementPolicy, policy),
      deadline: deadline && timestampFromDate(deadline),
    }),
  };
}

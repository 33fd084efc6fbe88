import { ConstraintOperator } from "@hodei/proto/hodei/v1/job";
import { InvalidValue } from "./invalid-value.ts";
import { wholeNumber } from "./scalars.ts";

/** A test on one label of a worker, as the contract has it. */
export interface ConstraintText {
  readonly label: string;
  readonly operator: ConstraintOperator;
  readonly values: string[];
}

export interface PreferenceText {
  readonly constraint: ConstraintText;
  readonly weight: number;
}

/** With one value, and with several. */
const OPERATORS: Readonly<Record<string, readonly [ConstraintOperator, ConstraintOperator?]>> = {
  "=": [ConstraintOperator.EQ, ConstraintOperator.IN],
  "!=": [ConstraintOperator.NE, ConstraintOperator.NOT_IN],
  ">": [ConstraintOperator.GT],
  "<": [ConstraintOperator.LT],
};

/**
 * The test of a text such as `zone=a`, `zone=a,b` (one of them), `zone!=a`, `cores>8`, `cores<8`, or `ssd` (is there).
 * @throws InvalidValue
 */
export function parseConstraint(text: string): ConstraintText {
  const [, label = "", sign, value = ""] = /^([^=!<>,]+)(?:(!=|=|<|>)(.*))?$/s.exec(text) ?? [];
  if (label === "") {
    throw new InvalidValue(
      `${JSON.stringify(text)} is not a test of a label such as zone=a, zone!=a, cores>8 or ssd`,
    );
  }
  if (sign === undefined) return { label, operator: ConstraintOperator.EXISTS, values: [] };
  const values = value.split(",");
  const [one, several] = OPERATORS[sign] ?? [];
  const operator = values.length === 1 ? one : several;
  if (operator !== undefined) return { label, operator, values };
  throw new InvalidValue(`${JSON.stringify(text)}: ${sign} compares with one number`);
}

/** As the contract takes it. */
const parseWeight = wholeNumber(-100, 100);

/** A weight, 1 unless it is given, and a test: `zone=a`, `10:zone=a`, `-5:spot`. @throws InvalidValue */
export function parsePreference(text: string): PreferenceText {
  const [, weight = "1", constraint = text] = /^(-?\d+):(.*)$/s.exec(text) ?? [];
  return { constraint: parseConstraint(constraint), weight: parseWeight(weight) };
}

/** Key and value of a taint: `gpu` stands for every value. @throws InvalidValue */
export function parseToleration(text: string): { readonly key: string; readonly value: string } {
  const [key = "", ...value] = text.split("=");
  if (key !== "") return { key, value: value.join("=") };
  throw new InvalidValue(`${JSON.stringify(text)} is not of the form KEY or KEY=VALUE`);
}

/** Count and model of GPUs: `2` of any model, `a100=2`. @throws InvalidValue */
export function parseGpus(text: string): { readonly gpuCount: number; readonly gpuModel: string } {
  const [, gpuModel = "", count] = /^(?:([^=]+)=)?([1-9]\d{0,3})$/.exec(text) ?? [];
  if (count !== undefined) return { gpuCount: Number(count), gpuModel };
  throw new InvalidValue(`${JSON.stringify(text)} is not a number of GPUs such as 2 or a100=2`);
}

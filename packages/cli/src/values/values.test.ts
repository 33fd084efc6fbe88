import assert from "node:assert/strict";
import { test } from "node:test";
import { DependencyCondition } from "@hodei/proto/hodei/v1/job";
import fc from "fast-check";
import { parseDependency } from "./dependency.ts";
import { formatDuration, parseDuration } from "./duration.ts";
import { parseEnvFile } from "./env-file.ts";
import { parseLineRange } from "./line-range.ts";
import { parseCpu, parseId, parseInstant, parsePair, parseSince, wholeNumber } from "./scalars.ts";
import { formatSize, parseSize } from "./size.ts";

const refusesAll = (parse: (text: string) => unknown, texts: readonly string[]) => {
  for (const text of texts) assert.throws(() => parse(text), { name: "InvalidValue" }, text);
};

test("durations", () => {
  assert.equal(parseDuration("500ms"), 500);
  assert.equal(parseDuration("2s"), 2_000);
  assert.equal(parseDuration("1m30s"), 90_000);
  assert.equal(parseDuration("1.5h"), 5_400_000);
  assert.equal(parseDuration("1d2h3m4s5ms"), 93_784_005);
  assert.equal(parseDuration("0"), 0);
  refusesAll(parseDuration, [
    "",
    "5",
    "s",
    "-1s",
    "1s1m",
    "1s 2s",
    "1s2s",
    "1e3s",
    "٣s",
    "99999999d",
  ]);
});

test("a duration for people is read back, to the second", () => {
  assert.equal(formatDuration(93_784_005), "1d2h");
  assert.equal(formatDuration(90_000), "1m30s");
  assert.equal(formatDuration(3_605_000), "1h5s");
  assert.equal(formatDuration(0), "0ms");
  fc.assert(
    fc.property(fc.nat({ max: 3_600_000 }), (ms) => {
      const roundedMs = ms < 1_000 ? ms : Math.round(ms / 1_000) * 1_000;
      assert.equal(parseDuration(formatDuration(ms)), roundedMs);
    }),
  );
});

test("sizes", () => {
  assert.equal(parseSize("1048576"), 1_048_576);
  assert.equal(parseSize("512MiB"), 536_870_912);
  assert.equal(parseSize("1.5GB"), 1_500_000_000);
  assert.equal(parseSize("10 KiB"), 10_240);
  refusesAll(parseSize, [
    "",
    "MiB",
    "-1",
    "1 MiB!",
    "1mib",
    "1e9",
    "99999999999TiB",
    "1constructor",
  ]);
  assert.equal(formatSize(0), "0 B");
  assert.equal(formatSize(1_536), "1.5 KiB");
  assert.equal(formatSize(536_870_912), "512 MiB");
});

test("cores, numbers, instants, pairs and ids", () => {
  assert.equal(parseCpu("2"), 2000);
  assert.equal(parseCpu("0.25"), 250);
  assert.equal(parseCpu("500m"), 500);
  refusesAll(parseCpu, ["", "-1", "0.0001", "1.5m", "two", "1025", "5000000", "1024001m"]);
  assert.equal(wholeNumber(-100, 100)("-5"), -5);
  refusesAll(wholeNumber(0, 10), ["", "-1", "11", "1.5", "0x1", " 1"]);
  assert.equal(parseInstant("2026-01-31T08:00:00+01:00").toISOString(), "2026-01-31T07:00:00.000Z");
  refusesAll(parseInstant, [
    "",
    "2026-01-31",
    "2026-01-31T08:00:00",
    "2026-13-31T08:00:00Z",
    "now",
  ]);
  assert.deepEqual(parsePair("a=b=c"), ["a", "b=c"]);
  assert.deepEqual(parsePair("a="), ["a", ""]);
  refusesAll(parsePair, ["", "a", "=b"]);
  assert.equal(parseId("0198C7A4-6A52-7C3E-9D0B-3F6F5B1F2A10").slice(0, 8), "0198c7a4");
  refusesAll(parseId, ["", "1", "0198c7a46a527c3e9d0b3f6f5b1f2a10"]);
});

test("jobs to wait for", () => {
  const id = "0198c7a4-6a52-7c3e-9d0b-3f6f5b1f2a10";
  assert.deepEqual(parseDependency(id), { jobId: id, condition: DependencyCondition.SUCCEEDED });
  for (const [word, condition] of [
    ["succeeded", DependencyCondition.SUCCEEDED],
    ["failed", DependencyCondition.FAILED],
    ["any", DependencyCondition.ANY],
  ] as const) {
    assert.deepEqual(parseDependency(`${id}=${word}`), { jobId: id, condition });
  }
  refusesAll(parseDependency, ["", "1", `${id}=`, `${id}=done`, `${id}=any=any`, "=any"]);
});

test("env files", () => {
  const text = '# comment\n\nA=1\r\nB="q u o" # kept\n  # indented\nC=\nA=2\n';
  assert.deepEqual(
    [...parseEnvFile(text, "x.env")],
    [
      ["A", "2"],
      ["B", '"q u o" # kept'],
      ["C", ""],
    ],
  );
  assert.throws(() => parseEnvFile("A=1\nexport B=2\n", "x.env"), {
    message: 'x.env:2: "export B=2" is not of the form NAME=VALUE',
  });
  refusesAll((line) => parseEnvFile(line, "x.env"), ["A", "1A=2", "=x", "A B=2", " A=1"]);
});

test("ranges of lines", () => {
  assert.deepEqual(parseLineRange("17"), { first: 17, last: 17 });
  assert.deepEqual(parseLineRange("17..40"), { first: 17, last: 40 });
  assert.deepEqual(parseLineRange("17.."), { first: 17, last: undefined });
  assert.deepEqual(parseLineRange("..40"), { first: 1, last: 40 });
  refusesAll(parseLineRange, ["", "..", "0", "5..4", "a", "1...2", "-1"]);
});

test("since when", () => {
  const now = new Date("2026-01-31T08:00:00Z");
  assert.deepEqual(parseSince("1m30s")(now), new Date("2026-01-31T07:58:30Z"));
  assert.deepEqual(parseSince("2026-01-01T00:00:00+01:00")(now), new Date("2025-12-31T23:00:00Z"));
  refusesAll(parseSince, ["", "yesterday", "2026-01-01"]);
});

import type { Plot } from "./plot.ts";
import type { Sample } from "./sampler.ts";
import { TABLES, type TableSize } from "./table-sizes.ts";

const MB = 1_000_000;

/** The samples of a run, one panel for each question that they answer. */
export function toPlot(title: string, samples: readonly Sample[]): Plot {
  const line = (name: string, value: (sample: Sample) => number) => ({
    name,
    points: samples.map((sample) => [sample.endedCount, value(sample)] as const),
  });
  const tables = (value: (size: TableSize) => number) =>
    TABLES.map((name) => line(name, (sample) => value(sample.tables[name])));
  return {
    title,
    xTitle: "jobs that have ended",
    panels: [
      {
        title: "Life of a job, milliseconds",
        lines: [
          line("p50", ({ lifeP50Ms }) => lifeP50Ms),
          line("p99", ({ lifeP99Ms }) => lifeP99Ms),
        ],
      },
      {
        title: "Jobs per second",
        lines: [line("ended", ({ jobsPerSecond }) => jobsPerSecond)],
      },
      { title: "Dead row versions", lines: tables(({ deadCount }) => deadCount) },
      { title: "Tables, MB", lines: tables(({ tableBytes }) => tableBytes / MB) },
      { title: "Indexes, MB", lines: tables(({ indexBytes }) => indexBytes / MB) },
    ],
  };
}

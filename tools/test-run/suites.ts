import { glob } from "node:fs/promises";
import { availableParallelism } from "node:os";

/** Test files that need the same things and run with the same limits. */
export interface Suite {
  readonly name: string;
  /** Globs from the checkout's root. */
  readonly include: readonly string[];
  readonly exclude: readonly string[];
  /** A file that runs longer is killed and counts as failed. */
  readonly timeoutMs: number;
  /** Files that run at once. */
  readonly concurrency: number;
}

/** No sources of ours; and what tests share, which is test code by its name but has no tests. */
const NO_TESTS = ["**/node_modules/**", "**/dist/**", "**/*fixtures.test.ts"];

/** At least two: most files wait more than they compute. At most eight: each may start a database. */
const CONCURRENCY = Math.min(8, Math.max(2, availableParallelism()));

/** Every suite of the repository, the quickest answer first. */
export const SUITES: readonly Suite[] = [
  {
    name: "unit",
    include: ["packages/**/*.test.ts"],
    exclude: ["packages/**/*.integration.test.ts"],
    timeoutMs: 120_000,
    concurrency: CONCURRENCY,
  },
  {
    name: "tools",
    include: ["tools/**/*.test.ts"],
    exclude: [],
    timeoutMs: 120_000,
    concurrency: CONCURRENCY,
  },
  {
    name: "integration",
    include: ["packages/**/*.integration.test.ts"],
    exclude: [],
    timeoutMs: 180_000,
    concurrency: CONCURRENCY,
  },
  {
    name: "e2e",
    include: ["examples/**/*.test.ts", "e2e/**/*.test.ts"],
    exclude: [],
    timeoutMs: 300_000,
    // These measure time-outs of whole programs, which share the machine badly.
    concurrency: 1,
  },
];

/** Paths of the suite's files from `root`, sorted; those that contain `pattern` when one is given. */
export async function findFiles(suite: Suite, root: string, pattern = ""): Promise<string[]> {
  const exclude = [...suite.exclude, ...NO_TESTS];
  const found: string[] = [];
  for await (const path of glob([...suite.include], { cwd: root, exclude })) found.push(path);
  return found.filter((path) => path.includes(pattern)).sort();
}

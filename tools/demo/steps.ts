/** What a step's commands did. */
export interface StepResult {
  /** Of the last command. */
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
  /** From the first piece of standard output to the last. */
  readonly outputSpanMs: number;
}

/** A few commands as a user types them, one a line, and whether they did what they are to show. */
export interface Step {
  readonly title: string;
  readonly commands: readonly string[];
  /** Throws an error that says what is wrong. */
  readonly check: (result: StepResult) => void;
}

/** The tour, in its order. */
export const STEPS: readonly Step[] = [
  {
    title: "A job's output comes as it is written. The first command starts the local stack.",
    commands: [
      "hodei run -- bash -c 'for part in 1 2 3; do echo \"building part $part\"; sleep 0.4; done'",
    ],
    check: (result) => {
      expectOutput(result, "building part 1\nbuilding part 2\nbuilding part 3\n");
      expect(result.exitCode === 0, "it failed");
      expect(result.outputSpanMs > 600, "the output came in one piece, at the end");
    },
  },
  {
    title: "A real build, on the stack that runs now.",
    commands: ["hodei run --workdir examples/build-typescript examples/build-typescript/build.sh"],
    check: (result) => {
      expectOutput(result, "built\n../stdin/fruit.txt: 3 lines, 3 words\n");
      expect(result.exitCode === 0, "it failed");
    },
  },
  {
    title: "Both streams arrive as they are, and the exit code is the job's.",
    commands: ["hodei run -- bash -c 'echo out; echo err >&2; exit 7'"],
    check: (result) => {
      expectOutput(result, "out\n");
      expect(/^err$/m.test(result.stderr), "standard error lacks the line err");
      expect(result.exitCode === 7, `the exit code is ${result.exitCode}, not 7`);
    },
  },
  {
    title: "A job that takes too long is ended, with all that it started.",
    commands: ["hodei run --timeout 1s -- sleep 60"],
    check: (result) =>
      expect(result.exitCode === 124, `the exit code is ${result.exitCode}, not 124`),
  },
  {
    title: "Why is it waiting? This one asks for a thousand cores.",
    commands: [
      "job=$(hodei run --detach --cpu 1000 --name impossible -- true)",
      'hodei jobs explain "$job"',
      'hodei jobs cancel "$job"',
    ],
    check: (result) => {
      expect(/cpu|cores/i.test(result.stdout), "the explanation does not speak of cores");
      expect(result.exitCode === 0, "the job could not be cancelled");
    },
  },
  {
    title: "A job in the background, and its log when it is over.",
    commands: [
      "job=$(hodei run --detach --name background -- bash -c 'echo I ran in the background')",
      'hodei jobs wait "$job"',
      'hodei logs "$job"',
    ],
    check: (result) => {
      expect(/^I ran in the background$/m.test(result.stdout), "the log lacks the job's line");
      expect(result.exitCode === 0, "the log could not be read");
    },
  },
  {
    title: "What has run so far, and where.",
    commands: ["hodei jobs list", "hodei workers list"],
    check: ({ stdout, exitCode }) => {
      for (const state of ["succeeded", "failed", "timed_out", "cancelled"]) {
        expect(stdout.includes(state), `no job is listed as ${state}`);
      }
      expect(/ready|busy/.test(stdout), "no worker is listed as ready");
      expect(exitCode === 0, "the lists could not be read");
    },
  },
];

function expectOutput({ stdout }: StepResult, wanted: string): void {
  expect(stdout === wanted, `standard output is not ${JSON.stringify(wanted)}`);
}

function expect(holds: boolean, otherwise: string): void {
  if (!holds) throw new Error(otherwise);
}

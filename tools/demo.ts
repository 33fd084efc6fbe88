// A tour of the main job on a local stack of its own: `npm run demo`.
//
// It uses the commands that a user types, prints each before it runs, and checks what it shows: exit code 1 if anything was
// wrong. Nothing is left behind, and the user's own stack is not touched.

import { STEPS, type Step, type StepResult } from "./demo/steps.ts";
import { createOwnStack, type OwnStack, runInShell } from "./own-stack.ts";

const startedAt = performance.now();
const stop = new AbortController();
for (const name of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
  process.on(name, () => stop.abort(new Error(`ended by ${name}`)));
}

const stack = await createOwnStack();
const problems = [...(await problemsOf(tour)), ...(await problemsOf(cleanUp))];
if (problems.length === 0) {
  const seconds = ((performance.now() - startedAt) / 1_000).toFixed(1);
  say(`\nEverything did what it should, in ${seconds} s. Nothing is left behind.\n`);
} else {
  say(`\n${problems.map((problem) => `demo: ${problem}\n`).join("")}`);
  process.exitCode = 1;
}

async function tour(): Promise<void> {
  for (const [index, step] of STEPS.entries()) {
    say(`\n${index + 1}. ${step.title}\n`);
    const result = await runStep(step, stack);
    step.check(result);
  }
}

async function cleanUp(): Promise<void> {
  say("\nThe stack would stop by itself after five idle minutes.\n$ hodei down\n");
  await stack.remove();
}

async function problemsOf(part: () => Promise<void>): Promise<readonly string[]> {
  try {
    await part();
    return [];
  } catch (error) {
    return [error instanceof Error ? error.message : String(error)];
  }
}

/** Runs the commands one after another in one shell, so that a variable that one sets is there for the next. */
async function runStep({ commands }: Step, { env }: OwnStack): Promise<StepResult> {
  // The prompts go to standard error: standard output is then what the commands print, to the byte.
  const script = commands
    .map((command) => `echo ${quote(`$ ${command}`)} >&2\n${command}`)
    .join("\n");
  const outputAt: number[] = [];
  const result = await runInShell(script, {
    env,
    signal: stop.signal,
    onOutput: (stream, data) => {
      if (stream === "stdout") outputAt.push(performance.now());
      process.stdout.write(data);
    },
  });
  return { ...result, outputSpanMs: (outputAt.at(-1) ?? 0) - (outputAt[0] ?? 0) };
}

/** As one word of a shell's command line. */
function quote(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}

function say(text: string): void {
  process.stdout.write(text);
}

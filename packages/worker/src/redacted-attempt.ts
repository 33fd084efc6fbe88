import { AttemptFailure } from "./attempt-failure.ts";
import type { AttemptEnd, AttemptRun, StartAttempt } from "./attempt-run.ts";
import { createRedactor, type Redactor } from "./redaction/redactor.ts";

/**
 * `startAttempt` with every secret of the attempt masked in all that it says: both streams, and the message of its
 * outcome. Nothing that the attempt writes is seen by anybody before it went through here.
 */
export function withRedaction(startAttempt: StartAttempt): StartAttempt {
  return (ref, spec, output) => {
    let redactor: Redactor;
    try {
      redactor = createRedactor(spec.secrets.flatMap(({ value }) => (value ? [{ value }] : [])));
    } catch (error) {
      if (error instanceof AttemptFailure) return neverStarted(error);
      throw error;
    }
    const run = startAttempt(ref, spec, {
      write: (stream, bytes) => output.write(stream, redactor.write(stream, bytes)),
    });
    const finish = (end: AttemptEnd): AttemptEnd => {
      for (const stream of ["stdout", "stderr"] as const)
        output.write(stream, redactor.end(stream));
      const message = redactor.redactText(end.outcome.message);
      return { ...end, outcome: { ...end.outcome, message } };
    };
    return {
      ended: run.ended.then(finish),
      terminate: (outcome) => run.terminate(outcome),
      kill: () => run.kill(),
      resumeOutput: () => run.resumeOutput(),
    };
  };
}

function neverStarted({ outcome }: AttemptFailure): AttemptRun {
  return {
    ended: Promise.resolve({ outcome, processesLeft: 0, usage: null }),
    terminate: () => {},
    kill: () => {},
    resumeOutput: () => {},
  };
}

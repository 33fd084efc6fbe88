import type { FinishedRun, Violation } from "../finished-run.ts";
import { SILENCE_FOUND_MAX_MS } from "../network-stream.ts";

/** Once faults have stopped, a worker whose session has been open for longer than silence is borne is not lost. */
export function checkNoNeedlessLoss({ history, scenario }: FinishedRun): Violation[] {
  const { workerSilenceMs, reconnectGraceMs } = scenario.timing.settings;
  const marginMs = workerSilenceMs + reconnectGraceMs + MESSAGE_DELAY_MS;
  return (
    history.losses
      // A session that the last fault ended in silence is open to its worker until that finds out.
      .filter(({ atMs }) => atMs > scenario.activeMs + marginMs + SILENCE_FOUND_MAX_MS)
      .filter(({ atMs, workerId }) =>
        history.connections.some(
          (connection) =>
            connection.workerId === workerId &&
            connection.fromMs < atMs - marginMs &&
            (connection.toMs ?? Number.POSITIVE_INFINITY) > atMs,
        ),
      )
      .map(({ atMs, workerId }) => ({
        promise: "no-needless-loss",
        message: `was lost at ${atMs} ms, though its session was open`,
        subject: workerId,
      }))
  );
}

const MESSAGE_DELAY_MS = 1_000;

import { constants, type Http2Session } from "node:http2";

export interface PingOptions {
  /** Between two pings. */
  readonly intervalMs: number;
  /** How long an answer may take. */
  readonly timeoutMs: number;
}

/**
 * Pings the peer until the session closes, and destroys the session when an answer stays out: TCP alone does not notice
 * a peer that is gone without a word. `onLost` is called then.
 */
export function pingSession(
  session: Http2Session,
  { intervalMs, timeoutMs }: PingOptions,
  onLost: () => void,
): void {
  let deadline: NodeJS.Timeout | undefined;
  const lose = () => {
    onLost();
    session.destroy(undefined, constants.NGHTTP2_CANCEL);
  };
  const interval = setInterval(() => {
    if (session.destroyed || deadline !== undefined) return;
    deadline = setTimeout(lose, timeoutMs);
    session.ping((error) => {
      clearTimeout(deadline);
      if (error === null) deadline = undefined;
    });
  }, intervalMs);
  session.once("close", () => {
    clearInterval(interval);
    clearTimeout(deadline);
  });
}

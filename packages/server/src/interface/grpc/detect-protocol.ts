import type { Socket } from "node:net";

export type Protocol = "http1" | "http2";

/** Start of the HTTP/2 connection preface; no method of HTTP/1.1 begins like this. Source: RFC 9113 §3.4. */
const PREFACE_START = Buffer.from("PRI");

/**
 * The protocol that a client speaks on a plaintext connection, from the first bytes that it sends; they stay readable.
 * `undefined`, with the socket destroyed, if it sends none within `timeoutMs` or before `signal` aborts.
 */
export async function detectProtocol(
  socket: Socket,
  { timeoutMs, signal }: { readonly timeoutMs: number; readonly signal: AbortSignal },
): Promise<Protocol | undefined> {
  const { promise, resolve } = Promise.withResolvers<Protocol | undefined>();
  let head: Buffer = Buffer.alloc(0);
  const look = () => {
    const chunk: Buffer | null = socket.read();
    if (chunk === null) return;
    head = Buffer.concat([head, chunk]);
    const start = head.subarray(0, PREFACE_START.length);
    if (!start.equals(PREFACE_START.subarray(0, start.length))) resolve("http1");
    else if (start.length === PREFACE_START.length) resolve("http2");
  };
  const giveUp = () => resolve(undefined);
  const timer = setTimeout(giveUp, timeoutMs);
  signal.addEventListener("abort", giveUp);
  if (signal.aborted) giveUp();
  socket.on("readable", look).on("end", giveUp).on("error", giveUp).on("close", giveUp);
  const protocol = await promise;
  clearTimeout(timer);
  signal.removeEventListener("abort", giveUp);
  socket.off("readable", look).off("end", giveUp).off("error", giveUp).off("close", giveUp);
  if (protocol === undefined) socket.destroy();
  else socket.unshift(head);
  return protocol;
}

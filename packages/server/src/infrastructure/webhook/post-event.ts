import { createHmac } from "node:crypto";
import type { StopSignal, StoredEvent } from "@hodei/domain";

export interface WebhookOptions {
  /** `http(s)://…`, of somebody whom the operator trusts with the events of all tenants. */
  readonly url: string;
  /** Signs each request; `undefined`: they are not signed. */
  readonly key: string | undefined;
  readonly timeoutMs: number;
  readonly userAgent: string;
  readonly encode: (event: StoredEvent) => string;
}

/**
 * Posts one event as JSON; resolves when the answer is 2xx. Redirects are not followed, so that whoever answers cannot
 * send us elsewhere in the operator's network, and nothing of the answer but its status is looked at or shown.
 *
 * The signature header is `t=<seconds>,v1=<hex>`: HMAC-SHA-256 of `<seconds>.<body>`, so that a request that was listened
 * in on is of no use later.
 */
export async function postEvent(
  options: WebhookOptions,
  event: StoredEvent,
  stop: StopSignal,
): Promise<void> {
  const body = options.encode(event);
  const abort = new AbortController();
  const onStop = () => abort.abort();
  stop.addEventListener("abort", onStop, { once: true });
  const timer = setTimeout(
    () => abort.abort(new Error(`no answer within ${options.timeoutMs} ms`)),
    options.timeoutMs,
  );
  try {
    const response = await fetch(options.url, {
      method: "POST",
      headers: {
        "content-type": "application/json",
        "user-agent": options.userAgent,
        "hodei-event-cursor": event.cursor,
        ...(options.key !== undefined && { "hodei-signature": sign(options.key, body) }),
      },
      body,
      redirect: "manual",
      signal: abort.signal,
    });
    await response.body?.cancel();
    if (!response.ok) throw new Error(`answered HTTP ${response.status}`);
  } catch (error) {
    throw new Error(reasonOf(error), { cause: error });
  } finally {
    clearTimeout(timer);
    stop.removeEventListener("abort", onStop);
  }
}

function sign(key: string, body: string): string {
  const seconds = Math.floor(Date.now() / 1_000);
  const mac = createHmac("sha256", key).update(`${seconds}.${body}`).digest("hex");
  return `t=${seconds},v1=${mac}`;
}

/** For people. `fetch` says what went wrong in the cause of its error only. */
function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return error.cause instanceof Error && error.cause.message !== ""
    ? error.cause.message
    : error.message;
}

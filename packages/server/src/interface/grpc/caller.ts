import type { HandlerContext } from "@connectrpc/connect";
import type { Caller, Deps } from "../../application/index.ts";
import { getPrincipal } from "./authenticate.ts";

/** Request and response header with the id that all events which a call sets off share. */
export const CORRELATION_HEADER = "x-correlation-id";
/** Longest id that is taken from a header, in characters. */
const MAX_ID_LENGTH = 128;
const PRINTABLE = /^[\x21-\x7e]+$/;
/** Version, trace, parent, flags. Source: W3C Trace Context, level 1. */
const TRACEPARENT = /^[0-9a-f]{2}-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}/;
const NO_TRACE = "0".repeat(32);

/**
 * Who calls, and the ids of the call. The correlation id is that of `CORRELATION_HEADER`, else the trace of
 * `traceparent`, else the request's own; a header that holds no such id counts as absent. The caller is told which.
 * @throws PlatformError `unauthenticated` where no gate has let the call in
 */
export function getCaller(
  { ids }: Pick<Deps, "ids">,
  context: Pick<HandlerContext, "values" | "requestHeader" | "responseHeader">,
): Caller {
  const principal = getPrincipal(context);
  const requestId = ids.next();
  const correlationId = givenId(context.requestHeader) ?? requestId;
  context.responseHeader.set(CORRELATION_HEADER, correlationId);
  return { ...principal, requestId, correlationId };
}

function givenId(header: Headers): string | undefined {
  const given = header.get(CORRELATION_HEADER) ?? "";
  if (given.length <= MAX_ID_LENGTH && PRINTABLE.test(given)) return given;
  const [, traceId] = TRACEPARENT.exec(header.get("traceparent") ?? "") ?? [];
  return traceId === NO_TRACE ? undefined : traceId;
}

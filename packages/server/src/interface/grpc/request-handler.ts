import type { IncomingMessage, ServerResponse } from "node:http";
import { constants, type Http2ServerRequest, type Http2ServerResponse } from "node:http2";
import { Code, ConnectError, type ConnectRouter, type ContextValues } from "@connectrpc/connect";
import {
  universalRequestFromNodeRequest,
  universalResponseToNodeResponse,
} from "@connectrpc/connect-node";
import type { Logger } from "@hodei/domain";

export type NodeRequest = IncomingMessage | Http2ServerRequest;
export type NodeResponse = ServerResponse | Http2ServerResponse;
export type RequestHandler = (request: NodeRequest, response: NodeResponse) => void;

type UniversalRequest = ReturnType<typeof universalRequestFromNodeRequest>;
type UniversalHandler = ConnectRouter["handlers"][number];

/** For the caller to read the answer and to end its request: callers on Node lose what they have not read by the reset. */
const RESET_DELAY_MS = 1_000;
const NOT_FOUND = "Not found. This address serves the hodei.v1 API: gRPC, gRPC-Web and Connect.\n";

/** Serves the calls of `router`, with `headers` on every response, on HTTP/1.1 and HTTP/2 alike. */
export function createRequestHandler(
  { log }: { readonly log: Logger },
  router: ConnectRouter,
  options: {
    readonly headers: Readonly<Record<string, string>>;
    readonly contextValues: (request: NodeRequest) => ContextValues;
  },
): RequestHandler {
  const handlers = new Map(router.handlers.map((handler) => [handler.requestPath, handler]));
  const headers = Object.entries(options.headers);
  return (request, response) => {
    for (const [name, value] of headers) response.setHeader(name, value);
    if ("stream" in response) stopCallerAfter(response, request);
    const [path = ""] = (request.url ?? "").split("?", 1);
    const handler = handlers.get(path);
    if (handler === undefined) return respond(response, 404, NOT_FOUND);
    const parsed = parse(request, response, options.contextValues(request));
    if (parsed === undefined) return respond(response, 400, "Bad request.\n");
    serve(handler, parsed, response).catch((error: unknown) => {
      // A caller that went away is no failure of ours.
      if (parsed.signal.aborted || ConnectError.from(error).code === Code.Aborted) return;
      log.error("response_failed", { rpc: path, error });
      if (response.headersSent) request.destroy();
      else respond(response, 500, "Internal error.\n");
    });
  };
}

/** `undefined` if the request names no host that a URL can have. */
function parse(
  request: NodeRequest,
  response: NodeResponse,
  contextValues: ContextValues,
): UniversalRequest | undefined {
  try {
    return universalRequestFromNodeRequest(request, response, undefined, contextValues);
  } catch {
    // The one thing that can fail here is the URL, from a Host header or :authority that is absent or malformed.
    return undefined;
  }
}

async function serve(
  handler: UniversalHandler,
  request: UniversalRequest,
  response: NodeResponse,
): Promise<void> {
  await universalResponseToNodeResponse(await handler(request), response);
}

/**
 * A call that is answered before its request has ended stays open until the caller ends it. A caller that does not gets a
 * reset without error, which tells it to send no more. Source: RFC 9113 §8.1.
 */
function stopCallerAfter({ stream }: Http2ServerResponse, request: NodeRequest): void {
  stream.once("finish", () => {
    if (request.complete) return;
    const reset = setTimeout(() => stream.close(constants.NGHTTP2_NO_ERROR), RESET_DELAY_MS);
    stream.once("close", () => clearTimeout(reset));
  });
}

function respond(response: NodeResponse, status: number, text: string): void {
  response.statusCode = status;
  response.setHeader("content-type", "text/plain; charset=utf-8");
  response.end(text);
}

import { ConnectError, type ServiceImpl } from "@connectrpc/connect";
import { type Hello, PlatformError } from "@hodei/domain";
import type {
  SessionRequest,
  SessionResponse,
  WorkerService,
} from "@hodei/proto/hodei/v1/worker_service";
import { type Deps, openSession, registerWorker, type Session } from "../../application/index.ts";
import { getWorkerId } from "./authenticate.ts";
import {
  fromProtoHello,
  fromProtoWorkerMessage,
  toProtoServerMessage,
} from "./convert/session-messages.ts";
import { toProtoTime } from "./convert/times.ts";
import { untilAborted } from "./until-aborted.ts";

export function workerService(deps: Deps): ServiceImpl<typeof WorkerService> {
  return {
    async register({ joinToken, certificateRequest }) {
      const registered = await registerWorker(deps, { joinToken, certificateRequest });
      return {
        workerId: registered.workerId,
        certificateChain: registered.chainPem,
        expiresAt: toProtoTime(registered.expiresAt),
      };
    },
    async *session(requests, context) {
      const workerId = getWorkerId(context);
      const spoken = new AbortController();
      const incoming = untilAborted(requests, spoken.signal);
      const hello = await readHello(incoming);
      const session = await openSession(deps, workerId, hello);
      yield* converse(session, incoming, spoken);
    },
  };
}

async function readHello(incoming: AsyncIterator<SessionRequest>): Promise<Hello> {
  const first = await incoming.next();
  if (first.done !== true) return fromProtoHello(first.value);
  throw new PlatformError(
    "failed_precondition",
    "hello_expected",
    "a session begins with hello, but the stream ended",
  );
}

/**
 * Hears and speaks at the same time. When either side is over, so is the session, and its end is stored. `spoken` ends
 * `incoming`.
 */
async function* converse(
  session: Session,
  incoming: AsyncIterable<SessionRequest>,
  spoken: AbortController,
): AsyncGenerator<SessionResponse> {
  const heard = new AbortController();
  let failure: { readonly error: unknown } | undefined;
  const hearing = hear(session, incoming)
    .catch((error: unknown) => {
      if (!spoken.signal.aborted) failure = { error };
    })
    .finally(() => heard.abort());
  try {
    const messages = untilAborted(session.outgoing, heard.signal);
    for await (const message of messages) yield toProtoServerMessage(message);
  } catch (error) {
    if (error !== heard.signal.reason) throw error;
  } finally {
    const end = heard.signal.aborted ? endOf(failure?.error) : "the server ended the stream";
    spoken.abort();
    await hearing;
    await session.close(end);
  }
  if (failure !== undefined) throw failure.error;
}

async function hear(session: Session, incoming: AsyncIterable<SessionRequest>): Promise<void> {
  for await (const request of incoming) await session.receive(fromProtoWorkerMessage(request));
}

/** Why there are no more requests, for the worker's history. */
function endOf(error: unknown): string {
  return error === undefined
    ? "the worker ended the stream"
    : `the stream broke: ${ConnectError.from(error).rawMessage}`;
}

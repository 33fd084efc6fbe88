import { createHash, timingSafeEqual } from "node:crypto";
import type { TLSSocket } from "node:tls";
import { type ContextValues, createContextKey, type HandlerContext } from "@connectrpc/connect";
import { isPlatformError, PlatformError, type WorkerId } from "@hodei/domain";
import { WorkerService } from "@hodei/proto/hodei/v1/worker_service";
import type { Principal } from "../../application/index.ts";
import { toConnectError } from "./translate-errors.ts";

/** A token that the public listener accepts, and who calls with it. */
export interface AcceptedToken {
  /** SHA-256 of the token, hexadecimal. */
  readonly hash: string;
  readonly principal: Principal;
}

/** Decides on a call before its body is read; throws to refuse it. */
export type Gate = (context: HandlerContext) => void;

/** Tells which worker is at the other end. @throws PlatformError `unauthenticated` */
export type IdentifyWorker = (socket: TLSSocket) => WorkerId;

export const principalKey = createContextKey<Principal | undefined>(undefined);
export const workerKey = createContextKey<WorkerId | undefined>(undefined);
/** The connection on which a call of the worker listener came. */
export const socketKey = createContextKey<TLSSocket | undefined>(undefined);

/** Who calls. @throws PlatformError `unauthenticated` where no gate has let the call in */
export function getPrincipal({ values }: { readonly values: ContextValues }): Principal {
  return values.get(principalKey) ?? refuse("no_token", "this call needs a token");
}

/** The calling worker. @throws PlatformError `unauthenticated` where no gate has let the call in */
export function getWorkerId({ values }: { readonly values: ContextValues }): WorkerId {
  return values.get(workerKey) ?? refuse("no_certificate", "this call needs a client certificate");
}

/**
 * Lets in calls with `authorization: Bearer <token>` for one of `accepted`. Every hash is compared, each in constant
 * time, so that the time taken tells nothing about them.
 */
export function authenticateToken(accepted: readonly AcceptedToken[]): Gate {
  const entries = accepted.map(({ hash, principal }) => ({
    hash: Buffer.from(hash, "hex"),
    principal,
  }));
  return translatedGate(({ requestHeader, values }) => {
    const [, token] = /^Bearer +(\S+) *$/i.exec(requestHeader.get("authorization") ?? "") ?? [];
    if (token === undefined) {
      refuse("no_token", "no token was sent; send the header `authorization: Bearer <token>`");
    }
    const hash = createHash("sha256").update(token).digest();
    const matching = entries.filter((entry) => timingSafeEqual(entry.hash, hash));
    const principal = matching[0]?.principal;
    if (principal === undefined) {
      refuse(
        "unknown_token",
        "the token is not one of this server's; check which server it is for",
      );
    }
    values.set(principalKey, principal);
  });
}

/** Lets anybody register, and only a worker with a current certificate open a session. */
export function authenticateWorker(identify: IdentifyWorker): Gate {
  return translatedGate(({ method, values }) => {
    if (method !== WorkerService.method.session) return;
    const socket = values.get(socketKey);
    if (socket === undefined) refuse("no_certificate", "a session needs a TLS connection");
    values.set(workerKey, identify(socket));
  });
}

/** `gate`, whose refusals become statuses: gates run outside of the interceptors that would do it. */
export function translatedGate(gate: Gate): Gate {
  return (context) => {
    try {
      gate(context);
    } catch (error) {
      throw isPlatformError(error) ? toConnectError(error) : error;
    }
  };
}

function refuse(reason: string, message: string): never {
  throw new PlatformError("unauthenticated", reason, message);
}

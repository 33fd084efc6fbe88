import {
  applyWorkerEvent,
  type IssuedCertificate,
  PlatformError,
  type WorkerEvent,
  type WorkerId,
} from "@hodei/domain";
import type { Deps } from "./deps.ts";

export interface RegisterInput {
  readonly joinToken: string;
  /** PKCS #10, DER. */
  readonly certificateRequest: Uint8Array;
}

/**
 * Spends the join token and returns the worker's certificate. A malformed request does not spend it.
 * @throws PlatformError `unauthenticated` if the token is unknown, spent or expired; `invalid_argument`
 */
export async function registerWorker(
  deps: Pick<Deps, "database" | "clock" | "joinTokens" | "certificateAuthority" | "log">,
  { joinToken, certificateRequest }: RegisterInput,
): Promise<IssuedCertificate & { readonly workerId: WorkerId }> {
  const hash = deps.joinTokens.hash(joinToken);
  const registered = await deps.database.transact(async ({ joinTokens, workers }) => {
    const at = deps.clock.now();
    const spent = await joinTokens.spend(hash, at);
    if (spent === undefined) throw unknownToken();
    const { workerId } = spent;
    const worker = await workers.lock(workerId);
    if (worker.state !== "provisioning") throw unknownToken();
    const issued = await deps.certificateAuthority.issueWorkerCertificate(
      certificateRequest,
      workerId,
    );
    const event: WorkerEvent = { type: "registered", at };
    await workers.update(applyWorkerEvent(worker, event), [event]);
    return { workerId, ...issued };
  });
  deps.log.info("worker_registered", { workerId: registered.workerId });
  return registered;
}

function unknownToken(): PlatformError {
  return new PlatformError(
    "unauthenticated",
    "join_token_refused",
    "the join token is unknown, spent or expired; make a new one with `hodei workers create-join-token`",
  );
}

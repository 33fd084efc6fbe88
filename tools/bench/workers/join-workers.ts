import type { HodeiClient } from "@hodei/sdk";
import {
  createCertificateRequest,
  fetchRootCertificate,
  openConnection,
  parseJoinToken,
  type TlsMaterial,
} from "@hodei/worker";

/** Registrations under way at once; the listener lets no more through on one connection. */
const AT_ONCE_COUNT = 8;
/** Beyond the pool that workers of the stack itself belong to. */
const POOL = "simulated";

export interface JoinOptions {
  readonly client: HodeiClient;
  readonly workerUrl: string;
  readonly count: number;
  readonly signal: AbortSignal;
}

/** Registers workers as workers do, each with a join token and a key of its own, over one connection. */
export async function joinWorkers(options: JoinOptions): Promise<readonly TlsMaterial[]> {
  const { client, workerUrl, count, signal } = options;
  const { joinToken } = await client.workers.createJoinToken({ pool: POOL });
  const { rootHash } = parseJoinToken(joinToken);
  const rootPem = await fetchRootCertificate(workerUrl, rootHash, signal);
  const connection = openConnection(workerUrl, { rootPem });
  const identities: TlsMaterial[] = [];
  const join = async (): Promise<TlsMaterial> => {
    const token = await client.workers.createJoinToken({ pool: POOL });
    const { keyPem, requestDer } = await createCertificateRequest();
    const registered = await connection.client.register(
      { joinToken: token.joinToken, certificateRequest: requestDer },
      { signal },
    );
    return { rootPem, keyPem, certificateChainPem: registered.certificateChain };
  };
  try {
    let startedCount = 0;
    const joinInTurn = async (): Promise<void> => {
      while (startedCount < count) {
        startedCount += 1;
        identities.push(await join());
      }
    };
    await Promise.all(Array.from({ length: AT_ONCE_COUNT }, joinInTurn));
    return identities;
  } finally {
    connection.close();
  }
}

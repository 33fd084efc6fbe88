import type { Scene } from "./scene.ts";

const SESSION_LIMIT_MS = 60_000;

/** Starts every worker with a token of its own and waits until all are ready. */
export async function joinWorkers({ workers, anyClient }: Scene): Promise<void> {
  await Promise.all(
    workers.map(async ({ program }) => {
      const { joinToken } = await anyClient().workers.createJoinToken({});
      await program.start({ HODEI_WORKER_JOIN_TOKEN: joinToken });
      await program.untilLogged("session.opened", SESSION_LIMIT_MS);
    }),
  );
}

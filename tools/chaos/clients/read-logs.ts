import { type HodeiClient, tailLogs } from "@hodei/sdk";
import { type LogDigest, LogDigester } from "../history/log-digest.ts";
import type { NeedleScan } from "../history/needle-scan.ts";

interface FollowOptions {
  readonly keepsText: boolean;
  readonly signal: AbortSignal;
  readonly reconnectLimitMs: number;
}

/** The log of every attempt of a job as it comes, until the job has ended. */
export async function followLog(
  client: HodeiClient,
  jobId: string,
  options: FollowOptions,
): Promise<readonly LogDigest[]> {
  const { keepsText, signal, reconnectLimitMs } = options;
  const digesters = new Map<number, LogDigester>();
  for await (const { attempt, chunk } of tailLogs(
    client,
    { jobId, follow: true },
    { signal, reconnectLimitMs },
  )) {
    const digester = digesters.get(attempt) ?? new LogDigester({ keepsText });
    digesters.set(attempt, digester);
    digester.accept(chunk);
  }
  return [...digesters].map(([attempt, digester]) => digester.finish(jobId, attempt));
}

interface ReadOptions {
  readonly keepsText: boolean;
  readonly scan: NeedleScan;
}

/** The stored log of one attempt, looked through for secrets. */
export async function readLog(
  client: HodeiClient,
  { jobId, attempt }: { readonly jobId: string; readonly attempt: number },
  { keepsText, scan }: ReadOptions,
): Promise<LogDigest> {
  const digester = new LogDigester({ keepsText });
  const looks = [scan.stream(`log of ${jobId}`), scan.stream(`log of ${jobId}`)];
  for await (const { chunk } of tailLogs(client, { jobId, attempt, follow: false })) {
    digester.accept(chunk);
    looks[chunk.stream === 2 ? 1 : 0]?.(chunk.data);
  }
  return digester.finish(jobId, attempt);
}

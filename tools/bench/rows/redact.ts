import { randomBytes } from "node:crypto";
import { createRedactor } from "@hodei/worker";
import type { Round } from "../result.ts";
import type { Row } from "../row.ts";

const ROUND_COUNT = 5;
/** As they are read from a pipe. */
const CHUNK_BYTES = 64 * 1024;
/** Of a round: more than caches hold, for output is new to them too. */
const LOG_BYTES = 64 * 1024 * 1024;
/** Until the hot code is compiled. */
const WARM_UP_BYTES = LOG_BYTES / 4;
/** Of an access token. */
const SECRET_BYTES = 30;

/** What redaction costs each byte of output. A secret is looked for in about a dozen forms. */
export const redact: Row = {
  name: "redact",
  about: "MB/s of output redacted with no secret, 1 and 40; against a copy of the same bytes",
  figures: [
    { name: "redact-0-secrets", unit: "MB/s", target: { kind: "ratio_at_least", limit: 0.8 } },
    { name: "redact-1-secret", unit: "MB/s", target: { kind: "value_at_least", limit: 320 } },
    { name: "redact-40-secrets", unit: "MB/s", target: { kind: "value_at_least", limit: 320 } },
  ],
  measure,
};

async function measure(signal: AbortSignal): Promise<readonly (readonly Round[])[]> {
  const log = writeLog();
  const target = Buffer.alloc(LOG_BYTES);
  const copy: TakeChunk = (chunk, offset) => target.set(chunk, offset);
  const redactors = [0, 1, 40].map((count): TakeChunk => {
    const secrets = Array.from({ length: count }, () => ({ value: newSecret() }));
    const redactor = createRedactor(secrets);
    return (chunk) => redactor.write("stdout", chunk);
  });
  for (const part of [copy, ...redactors]) {
    megabytesPerSecond(log.subarray(0, WARM_UP_BYTES), part);
  }
  const rounds: Round[][] = redactors.map(() => []);
  for (let round = 0; round < ROUND_COUNT; round += 1) {
    for (const [index, part] of redactors.entries()) {
      signal.throwIfAborted();
      const baseline = megabytesPerSecond(log, copy);
      rounds[index]?.push({ value: megabytesPerSecond(log, part), baseline });
    }
  }
  return rounds;
}

type TakeChunk = (chunk: Buffer, offset: number) => unknown;

const newSecret = (): Uint8Array => Buffer.from(randomBytes(SECRET_BYTES).toString("base64"));

/** Lines as services write them: times, names, numbers and words. */
function writeLog(): Buffer {
  const log = Buffer.alloc(LOG_BYTES);
  let offset = 0;
  for (let line = 0; offset < LOG_BYTES; line += 1) {
    const time = new Date(1_700_000_000_000 + line * 37).toISOString();
    const id = (line * 7_919).toString(16);
    offset += log.write(
      `${time} INFO http request id=${id} path=/api/v1/items/${line} took ${line % 97} ms\n`,
      offset,
    );
  }
  return log;
}

function megabytesPerSecond(log: Buffer, takeChunk: TakeChunk): number {
  const startedAtMs = performance.now();
  for (let offset = 0; offset < log.length; offset += CHUNK_BYTES) {
    takeChunk(log.subarray(offset, offset + CHUNK_BYTES), offset);
  }
  return log.length / 1_000 / (performance.now() - startedAtMs);
}

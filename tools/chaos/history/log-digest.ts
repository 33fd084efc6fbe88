import { createHash, type Hash } from "node:crypto";
import { type LogChunk, LogGap, LogStream } from "@hodei/proto/hodei/v1/log_service";
import { Output, type Stream, type Writing } from "../program/output.ts";

/** Bytes of one stream that are missing from a log, and why. */
export interface Gap {
  /** Within the stream, missing bytes counted. */
  readonly offset: number;
  readonly bytes: number;
  readonly reason: "dropped" | "limit" | "skipped";
}

export interface StreamDigest {
  /** Missing ones counted. */
  readonly bytes: number;
  /** Of the bytes that are there, in hex. */
  readonly sha256: string;
  readonly gaps: readonly Gap[];
  /** What is there, if it was asked for. */
  readonly text: string;
}

/** The log of one attempt as somebody read it, in a form that is small and can be compared. */
export interface LogDigest {
  readonly jobId: string;
  readonly attempt: number;
  readonly stdout: StreamDigest;
  readonly stderr: StreamDigest;
  /** Places where a chunk does not begin where the one before ended: silence instead of a gap. */
  readonly breaks: readonly string[];
}

/** Makes the digest of one attempt's log from its chunks in order. */
export class LogDigester {
  readonly #streams = { stdout: new StreamDigester(), stderr: new StreamDigester() };
  readonly #breaks: string[] = [];
  readonly #keepsText: boolean;
  #offset = 0n;

  constructor({ keepsText }: { readonly keepsText: boolean }) {
    this.#keepsText = keepsText;
  }

  accept({ stream, offset, data, gapBytes, gap }: LogChunk): void {
    if (offset !== this.#offset) this.#breaks.push(`${this.#offset} is followed by ${offset}`);
    this.#offset = offset + gapBytes + BigInt(data.length);
    const digester = this.#streams[stream === LogStream.STDERR ? "stderr" : "stdout"];
    if (gapBytes > 0n) digester.skip(Number(gapBytes), REASONS.get(gap) ?? "dropped");
    else digester.take(data, this.#keepsText);
  }

  finish(jobId: string, attempt: number): LogDigest {
    const { stdout, stderr } = this.#streams;
    return {
      jobId,
      attempt,
      stdout: stdout.finish(),
      stderr: stderr.finish(),
      breaks: this.#breaks,
    };
  }
}

/** What a digest of `writing` must be, of which `bytes` were written and `gaps` are missing. */
export function expectedSha256(
  writing: Writing,
  stream: Stream,
  { bytes, gaps }: Pick<StreamDigest, "bytes" | "gaps">,
): string {
  const output = new Output(writing, stream);
  const hash = createHash("sha256");
  let at = 0;
  for (const { offset, bytes: missing } of [...gaps, { offset: bytes, bytes: 0 }]) {
    for (; at < offset; at = Math.min(offset, at + STEP_BYTES)) {
      hash.update(output.slice(at, Math.min(offset, at + STEP_BYTES)));
    }
    at = offset + missing;
  }
  return hash.digest("hex");
}

const STEP_BYTES = 1024 * 1024;

const REASONS: ReadonlyMap<LogGap, Gap["reason"]> = new Map([
  [LogGap.DROPPED, "dropped"],
  [LogGap.LIMIT, "limit"],
  [LogGap.SKIPPED, "skipped"],
]);

class StreamDigester {
  readonly #hash: Hash = createHash("sha256");
  readonly #gaps: Gap[] = [];
  readonly #texts: Uint8Array[] = [];
  #bytes = 0;

  take(data: Uint8Array, keepsText: boolean): void {
    this.#hash.update(data);
    if (keepsText) this.#texts.push(data);
    this.#bytes += data.length;
  }

  skip(bytes: number, reason: Gap["reason"]): void {
    const last = this.#gaps.at(-1);
    // How a gap was cut into chunks is nobody's business.
    if (last !== undefined && last.reason === reason && last.offset + last.bytes === this.#bytes) {
      this.#gaps[this.#gaps.length - 1] = { ...last, bytes: last.bytes + bytes };
    } else {
      this.#gaps.push({ offset: this.#bytes, bytes, reason });
    }
    this.#bytes += bytes;
  }

  finish(): StreamDigest {
    return {
      bytes: this.#bytes,
      sha256: this.#hash.digest("hex"),
      gaps: this.#gaps,
      text: Buffer.concat(this.#texts).toString(),
    };
  }
}

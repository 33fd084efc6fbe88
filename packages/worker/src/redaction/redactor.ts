import type { LogStream } from "@hodei/domain";
import { AttemptFailure } from "../attempt-failure.ts";
import { type Automaton, buildAutomaton } from "./automaton.ts";
import { needlesOf } from "./needles.ts";
import { RedactedStream } from "./redacted-stream.ts";

/** Bytes of all needles together. Their automaton then takes 55 MB; about 100 KiB of secrets get there. */
const MAX_NEEDLES_BYTES = 4 * 1024 * 1024;

export interface SecretBytes {
  readonly value: Uint8Array;
}

/**
 * Masks the secrets of one attempt in what leaves the worker: every byte that belongs to an occurrence of a secret, in
 * any of the forms of `needlesOf`, however it is cut into writes. Each run of masked bytes becomes `***`.
 */
export interface Redactor {
  /**
   * What may be released of `stream` now, with masks; may share memory with `bytes`. The two streams are looked at
   * apart: a secret of which each gets a part is not found.
   */
  write(stream: LogStream, bytes: Uint8Array): Uint8Array;
  /** The rest of `stream`, which has ended. */
  end(stream: LogStream): Uint8Array;
  /** A whole text, with masks. */
  redactText(text: string): string;
}

/**
 * A redactor for `secrets`, which it copies. Without any that can be masked it hands bytes on as they are.
 * @throws AttemptFailure `secret_unavailable` when they are too large together
 */
export function createRedactor(secrets: readonly SecretBytes[]): Redactor {
  const needles = new Set<string>();
  let needlesBytes = 0;
  for (const { value } of secrets) {
    for (const needle of needlesOf(value)) {
      if (needles.has(needle)) continue;
      needles.add(needle);
      needlesBytes += needle.length;
    }
    if (needlesBytes > MAX_NEEDLES_BYTES) throw tooLarge(secrets);
  }
  if (needles.size === 0) return NO_REDACTION;
  return new NeedleRedactor(buildAutomaton(Array.from(needles, (n) => Buffer.from(n, "latin1"))));
}

class NeedleRedactor implements Redactor {
  readonly #automaton: Automaton;
  readonly #streams: Readonly<Record<LogStream, RedactedStream>>;

  constructor(automaton: Automaton) {
    this.#automaton = automaton;
    this.#streams = {
      stdout: new RedactedStream(automaton),
      stderr: new RedactedStream(automaton),
    };
  }

  write(stream: LogStream, bytes: Uint8Array): Uint8Array {
    return this.#streams[stream].write(bytes);
  }

  end(stream: LogStream): Uint8Array {
    return this.#streams[stream].end();
  }

  redactText(text: string): string {
    const stream = new RedactedStream(this.#automaton);
    return Buffer.concat([stream.write(Buffer.from(text)), stream.end()]).toString();
  }
}

const NOTHING = new Uint8Array(0);

const NO_REDACTION: Redactor = {
  write: (_stream, bytes) => bytes,
  end: () => NOTHING,
  redactText: (text) => text,
};

function tooLarge(secrets: readonly SecretBytes[]): AttemptFailure {
  const bytes = secrets.reduce((sum, { value }) => sum + value.length, 0);
  return new AttemptFailure(
    "secret_unavailable",
    `The job's ${secrets.length} secrets are too large together (${bytes} bytes) to be kept out of its log; give it fewer or smaller ones.`,
  );
}

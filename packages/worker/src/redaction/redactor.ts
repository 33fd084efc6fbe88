import { isMaskable, type LogStream, trimBlank } from "@hodei/domain";
import { AttemptFailure } from "../attempt-failure.ts";
import { type Automaton, buildAutomaton } from "./automaton.ts";
import { type Item, MAX_MASK_BYTES, MaskScanner } from "./mask-scanner.ts";
import { needlesOf } from "./needles.ts";
import { RedactedStream } from "./redacted-stream.ts";

/**
 * Bytes of all needles together: what some 100 KiB of secrets come to. Their automaton takes 55 MB and less than a
 * second to build, in which nothing else happens.
 */
const MAX_NEEDLES_BYTES = 4 * 1024 * 1024;
/** The same when masks are added, for each may mean building again: 50 ms. */
const MAX_NEEDLES_BYTES_WITH_MASKS = 256 * 1024;
/** Masks of one attempt. */
const MAX_MASKS = 100;

export interface SecretBytes {
  readonly value: Uint8Array;
}

/**
 * Masks the secrets of one attempt in what leaves the worker: every byte that belongs to an occurrence of a secret, in
 * any of the forms of `needlesOf`, however it is cut into writes. Each run of masked bytes becomes `***`.
 *
 * A line `::add-mask::VALUE` in either stream is taken out of it, and `VALUE` is masked in both from then on as if it
 * were a secret. One that cannot be is taken out too, and a line says why.
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
 * A redactor for `secrets`, which it copies. While there is nothing to mask it hands bytes on as they are.
 * @throws AttemptFailure `secret_unavailable` when they are too large together
 */
export function createRedactor(secrets: readonly SecretBytes[]): Redactor {
  const needles = new Needles();
  for (const { value } of secrets) {
    needles.add(value);
    if (needles.sizeBytes > MAX_NEEDLES_BYTES) throw tooLarge(secrets);
  }
  return new AttemptRedactor(needles);
}

/** All that is looked for. */
class Needles {
  readonly #texts = new Set<string>();
  sizeBytes = 0;

  get isEmpty(): boolean {
    return this.#texts.size === 0;
  }

  add(value: Uint8Array): void {
    for (const text of needlesOf(value)) {
      if (!this.#texts.has(text)) this.sizeBytes += text.length;
      this.#texts.add(text);
    }
  }

  build(): Automaton {
    return buildAutomaton(Array.from(this.#texts, (text) => Buffer.from(text, "latin1")));
  }
}

interface Channel {
  readonly scanner: MaskScanner;
  readonly redacted: RedactedStream;
}

class AttemptRedactor implements Redactor {
  readonly #needles: Needles;
  #automaton: Automaton;
  readonly #channels: Readonly<Record<LogStream, Channel>>;
  #maskCount = 0;
  /** Whether there are masks that the automaton does not look for yet: it is built when it is needed. */
  #isStale = false;

  constructor(needles: Needles) {
    this.#needles = needles;
    this.#automaton = needles.build();
    const openChannel = (): Channel => ({
      scanner: new MaskScanner(),
      redacted: new RedactedStream(this.#automaton),
    });
    this.#channels = { stdout: openChannel(), stderr: openChannel() };
  }

  write(stream: LogStream, bytes: Uint8Array): Uint8Array {
    const { scanner, redacted } = this.#channels[stream];
    return join(Array.from(scanner.write(bytes), (item) => this.#redact(item, redacted)));
  }

  end(stream: LogStream): Uint8Array {
    const { scanner, redacted } = this.#channels[stream];
    const pieces = Array.from(scanner.end(), (item) => this.#redact(item, redacted));
    return join([...pieces, redacted.end()]);
  }

  redactText(text: string): string {
    this.#refresh();
    const redacted = new RedactedStream(this.#automaton);
    return join([redacted.write(Buffer.from(text)), redacted.end()]).toString();
  }

  #redact(item: Item, redacted: RedactedStream): Uint8Array {
    const text = item.kind === "text" ? item.bytes : this.#addMask(item);
    if (text.length === 0 || this.#needles.isEmpty) return text;
    this.#refresh();
    return redacted.write(text);
  }

  /** A line that says why the mask was not added; nothing if it was. */
  #addMask(item: Exclude<Item, { kind: "text" }>): Uint8Array {
    const problem = this.#findProblem(item);
    if (problem !== undefined) return Buffer.from(`[hodei] a mask was not added: ${problem}\n`);
    if (item.kind === "mask") this.#needles.add(item.value);
    this.#maskCount += 1;
    this.#isStale = true;
    return NOTHING;
  }

  #findProblem(item: Exclude<Item, { kind: "text" }>): string | undefined {
    if (item.kind === "oversized_mask") return `its value is longer than ${MAX_MASK_BYTES} bytes`;
    if (!isMaskable(trimBlank(item.value))) return "its value is too short or too plain";
    if (this.#maskCount >= MAX_MASKS) return `there are ${MAX_MASKS} already`;
    if (this.#needles.sizeBytes > MAX_NEEDLES_BYTES_WITH_MASKS) {
      return "the secrets of the job are too large for more";
    }
    return undefined;
  }

  #refresh(): void {
    if (!this.#isStale) return;
    this.#isStale = false;
    this.#automaton = this.#needles.build();
    for (const { redacted } of Object.values(this.#channels)) redacted.use(this.#automaton);
  }
}

const NOTHING = Buffer.alloc(0);

/** `pieces` as one; copies nothing if there is only one. */
function join(pieces: readonly Uint8Array[]): Buffer {
  const [only = NOTHING, ...others] = pieces;
  return others.length === 0
    ? Buffer.from(only.buffer, only.byteOffset, only.length)
    : Buffer.concat(pieces);
}

function tooLarge(secrets: readonly SecretBytes[]): AttemptFailure {
  const sizeBytes = secrets.reduce((sum, { value }) => sum + value.length, 0);
  return new AttemptFailure(
    "secret_unavailable",
    `The job's ${secrets.length} secrets are too large together (${sizeBytes} bytes) to be kept out of its log; give it fewer or smaller ones.`,
  );
}

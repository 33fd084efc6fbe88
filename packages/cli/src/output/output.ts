import { fstatSync, writeSync } from "node:fs";
import type { Writable } from "node:stream";

/** Where a command writes. */
export interface Output {
  /** Whether a person reads it: colours and live updates make sense. */
  readonly isTerminal: boolean;
  /** Width in columns, if it is known. */
  readonly columns: number | undefined;
  /**
   * Resolves when the bytes have left this process, so that a slow reader slows the writer down.
   * @throws BrokenPipe if nobody reads any more
   */
  write(data: string | Uint8Array): Promise<void>;
}

/** Nobody reads the output any more, as in `hodei logs … | head`. The command ends quietly. */
export class BrokenPipe extends Error {
  override readonly name = "BrokenPipe";
}

/** An output over a stream of the process. */
export function streamOutput(
  stream: Writable & { isTTY?: boolean; columns?: number; fd?: number },
): Output {
  const { fd } = stream;
  if (fd !== undefined && fstatSync(fd).isFile()) return fileOutput(fd);
  // A stream without a listener throws its errors at the process; each write hears of them itself.
  stream.on("error", () => {});
  return {
    isTerminal: stream.isTTY === true,
    columns: stream.columns,
    write: (data) =>
      new Promise((resolve, reject) => {
        stream.write(data, (error) => {
          if (error === undefined || error === null) resolve();
          else reject(isBrokenPipe(error) ? new BrokenPipe(error.message) : error);
        });
      }),
  };
}

/** An output over a file: Node.js's own stream takes a short write, as of a disk that is about to be full, for a whole one. */
function fileOutput(fd: number): Output {
  return {
    isTerminal: false,
    columns: undefined,
    async write(data) {
      let rest = typeof data === "string" ? Buffer.from(data) : data;
      while (rest.length > 0) rest = rest.subarray(writeSync(fd, rest));
    },
  };
}

function isBrokenPipe(error: NodeJS.ErrnoException): boolean {
  return error.code === "EPIPE" || error.code === "ERR_STREAM_DESTROYED";
}

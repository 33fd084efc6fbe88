import type { Logger } from "@hodei/domain";
import pino from "pino";

export type LogLevel = "debug" | "info" | "warn" | "error" | "silent";

/** One JSON object a line on `destination` (a file descriptor), with `event` and the fields. */
export function createJsonLog(level: LogLevel, destination: number): Logger {
  const logger = pino(
    {
      level,
      base: null,
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      serializers: { error: pino.stdSerializers.errWithCause },
    },
    pino.destination({ dest: destination, sync: true }),
  );
  return {
    info: (event, fields) => logger.info({ event, ...fields }),
    warn: (event, fields) => logger.warn({ event, ...fields }),
    error: (event, fields) => logger.error({ event, ...fields }),
  };
}

import { mkdir, readFile } from "node:fs/promises";
import { getuid } from "node:process";
import { PlatformError } from "@hodei/domain";
import type { ServerConfig } from "./config.ts";
import type { TlsCertificate } from "./interface/grpc/http-listener.ts";

/**
 * Makes the data folder. When we are root, other users may pass through for what lies deeper and is theirs (PostgreSQL
 * does not run as root), but not look.
 * @throws PlatformError `failed_precondition`
 */
export async function makeDataDir(dataDir: string): Promise<void> {
  try {
    await mkdir(dataDir, { recursive: true, mode: getuid?.() === 0 ? 0o711 : 0o700 });
  } catch (error) {
    throw unusable("data_dir_not_writable", `cannot make the data folder ${dataDir}`, error);
  }
}

/** The public listener's certificate; `undefined` if it is to speak plaintext. @throws PlatformError `failed_precondition` */
export async function readPublicCertificate(
  config: ServerConfig,
): Promise<TlsCertificate | undefined> {
  const { publicCertFile, publicKeyFile } = config;
  if (publicCertFile === undefined || publicKeyFile === undefined) return undefined;
  try {
    const [chainPem, keyPem] = await Promise.all([
      readFile(publicCertFile, "utf8"),
      readFile(publicKeyFile, "utf8"),
    ]);
    return { chainPem, keyPem };
  } catch (error) {
    throw unusable("certificate_unreadable", "cannot read the public certificate or key", error);
  }
}

function unusable(reason: string, what: string, cause: unknown): PlatformError {
  const why = cause instanceof Error ? cause.message : String(cause);
  const message = `${what}: ${why}; make it accessible, or choose another`;
  return new PlatformError("failed_precondition", reason, message, { cause });
}

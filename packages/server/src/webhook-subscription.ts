import { readFile } from "node:fs/promises";
import { toJsonString } from "@bufbuild/protobuf";
import { PlatformError } from "@hodei/domain";
import { EventSchema } from "@hodei/proto/hodei/v1/event_service";
import { DELIVERY_TIMEOUT_MS, type Subscription } from "./application/index.ts";
import type { ServerConfig } from "./config.ts";
import { postEvent } from "./infrastructure/webhook/post-event.ts";
import { toProtoEvent } from "./interface/grpc/convert/event.ts";
import { readVersion } from "./version.ts";

/** Shortest key that signs. */
const KEY_LENGTH_MIN = 16;

/**
 * The webhook of the settings, if there is one: every event, or those of its types, as JSON of the contract's `Event`.
 * @throws PlatformError `invalid_argument` if the key cannot be read or is too short
 */
export async function webhookSubscriptions(
  config: Pick<ServerConfig, "webhookUrl" | "webhookKeyFile" | "webhookTypes">,
): Promise<readonly Subscription[]> {
  const { webhookUrl: url, webhookKeyFile, webhookTypes: types } = config;
  if (url === undefined) return [];
  const options = {
    url,
    key: webhookKeyFile === undefined ? undefined : await readKey(webhookKeyFile),
    timeoutMs: DELIVERY_TIMEOUT_MS,
    userAgent: `hodei/${readVersion()}`,
    encode: (event: Parameters<typeof toProtoEvent>[0]) =>
      toJsonString(EventSchema, toProtoEvent(event)),
  };
  return [{ name: "webhook", types, deliver: (event, stop) => postEvent(options, event, stop) }];
}

async function readKey(file: string): Promise<string> {
  const key = await readFile(file, "utf8").then(
    (text) => text.trim(),
    (cause: unknown) => {
      const message = `webhookKeyFile: ${file} cannot be read`;
      throw new PlatformError("invalid_argument", "invalid_config", message, { cause });
    },
  );
  if (key.length >= KEY_LENGTH_MIN) return key;
  const message = `webhookKeyFile: ${file} holds less than ${KEY_LENGTH_MIN} characters`;
  throw new PlatformError("invalid_argument", "invalid_config", message);
}

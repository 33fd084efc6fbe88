import { create } from "@bufbuild/protobuf";
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import type { ServiceImpl } from "@connectrpc/connect";
import type { Secret } from "@hodei/domain";
import {
  type Secret as ProtoSecret,
  SecretSchema,
  type SecretService,
} from "@hodei/proto/hodei/v1/secret_service";
import { type Deps, deleteSecret, listSecrets, setSecret } from "../../application/index.ts";
import { getPrincipal } from "./authenticate.ts";
import { getCaller } from "./caller.ts";
import { fromProtoPage } from "./convert/page.ts";

export function secretService(deps: Deps): ServiceImpl<typeof SecretService> {
  return {
    async setSecret(request, context) {
      const { name, value } = request;
      try {
        const set = await setSecret(deps, getCaller(deps, context), { name, value });
        return { secret: toProtoSecret(set.secret), warnings: [...set.warnings] };
      } finally {
        value.fill(0);
      }
    },
    async listSecrets(request, context) {
      const page = await listSecrets(deps, getPrincipal(context), fromProtoPage(request));
      return { secrets: page.items.map(toProtoSecret), nextPageToken: page.nextToken ?? "" };
    },
    async deleteSecret(request, context) {
      await deleteSecret(deps, getCaller(deps, context), request.name);
      return {};
    },
  };
}

function toProtoSecret({ name, version, createdAt, updatedAt }: Secret): ProtoSecret {
  return create(SecretSchema, {
    name,
    version,
    createdAt: timestampFromDate(createdAt),
    updatedAt: timestampFromDate(updatedAt),
  });
}

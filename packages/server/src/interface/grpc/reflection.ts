import {
  type DescExtension,
  type DescFile,
  type DescService,
  type MessageInitShape,
  toBinary,
} from "@bufbuild/protobuf";
import { nestedTypes } from "@bufbuild/protobuf/reflect";
import { FileDescriptorProtoSchema } from "@bufbuild/protobuf/wkt";
import { Code, type ServiceImpl } from "@connectrpc/connect";
import type {
  ServerReflection,
  ServerReflectionRequest,
  ServerReflectionResponseSchema,
} from "@hodei/proto/grpc/reflection/v1/reflection";
import type { ServerReflection as ServerReflectionV1Alpha } from "@hodei/proto/grpc/reflection/v1alpha/reflection";

type Question = ServerReflectionRequest["messageRequest"];
type Answer = NonNullable<
  MessageInitShape<typeof ServerReflectionResponseSchema>["messageResponse"]
>;

/**
 * The standard reflection services, by which `buf curl` and `grpcurl` learn the contract of `services`.
 * Source: github.com/grpc/grpc/blob/master/doc/server-reflection.md
 */
export function reflectionServices(services: readonly DescService[]): {
  readonly v1: ServiceImpl<typeof ServerReflection>;
  readonly v1alpha: ServiceImpl<typeof ServerReflectionV1Alpha>;
} {
  const contract = indexContract(services);
  const v1: ServiceImpl<typeof ServerReflection> = {
    async *serverReflectionInfo(requests) {
      for await (const request of requests) {
        const messageResponse = answer(contract, request.messageRequest);
        yield { validHost: request.host, originalRequest: request, messageResponse };
      }
    },
  };
  // The two versions differ in the name of their package only.
  return { v1, v1alpha: v1 as unknown as ServiceImpl<typeof ServerReflectionV1Alpha> };
}

/** All that the services need of the contract, by name. */
interface Contract {
  readonly serviceNames: readonly string[];
  readonly files: ReadonlyMap<string, DescFile>;
  /** Services, methods, messages, enums and extensions, each with its file. */
  readonly symbols: ReadonlyMap<string, DescFile>;
  readonly extensions: readonly DescExtension[];
}

function indexContract(services: readonly DescService[]): Contract {
  const files = new Map<string, DescFile>();
  for (const { file } of services) collectFiles(file, files);
  const types = [...files.values()].flatMap((file) => [...nestedTypes(file)]);
  const symbols = new Map<string, DescFile>();
  for (const type of types) {
    symbols.set(type.typeName, type.file);
    if (type.kind !== "service") continue;
    for (const { name } of type.methods) symbols.set(`${type.typeName}.${name}`, type.file);
  }
  return {
    serviceNames: services.map(({ typeName }) => typeName),
    files,
    symbols,
    extensions: types.filter((type) => type.kind === "extension"),
  };
}

/** Adds all that `file` imports, then `file` itself. */
function collectFiles(file: DescFile, files: Map<string, DescFile>): void {
  if (files.has(file.proto.name)) return;
  for (const dependency of file.dependencies) collectFiles(dependency, files);
  files.set(file.proto.name, file);
}

function answer(contract: Contract, question: Question): Answer {
  switch (question.case) {
    case "listServices": {
      const service = contract.serviceNames.map((name) => ({ name }));
      return { case: "listServicesResponse", value: { service } };
    }
    case "fileByFilename":
      return fileAnswer(contract.files.get(question.value), question.value);
    case "fileContainingSymbol":
      return fileAnswer(contract.symbols.get(question.value), question.value);
    case "fileContainingExtension": {
      const { containingType, extensionNumber } = question.value;
      const found = extensionsOf(contract, containingType).find(
        ({ number }) => number === extensionNumber,
      );
      return fileAnswer(found?.file, `${containingType} extension ${extensionNumber}`);
    }
    case "allExtensionNumbersOfType": {
      const baseTypeName = question.value;
      if (!contract.symbols.has(baseTypeName)) return notFound(baseTypeName);
      const extensionNumber = extensionsOf(contract, baseTypeName).map(({ number }) => number);
      return { case: "allExtensionNumbersResponse", value: { baseTypeName, extensionNumber } };
    }
    case undefined:
      return failure(Code.InvalidArgument, "the request asks nothing that this server knows");
  }
}

function extensionsOf({ extensions }: Contract, typeName: string): readonly DescExtension[] {
  return extensions.filter(({ extendee }) => extendee.typeName === typeName);
}

/** The file, then all that it imports, so that one question is enough. */
function fileAnswer(file: DescFile | undefined, what: string): Answer {
  if (file === undefined) return notFound(what);
  const files = new Map<string, DescFile>();
  collectFiles(file, files);
  const fileDescriptorProto = [...files.values()]
    .reverse()
    .map(({ proto }) => toBinary(FileDescriptorProtoSchema, proto));
  return { case: "fileDescriptorResponse", value: { fileDescriptorProto } };
}

function notFound(what: string): Answer {
  return failure(Code.NotFound, `${what.slice(0, 256)} is not part of this server's contract`);
}

function failure(errorCode: Code, errorMessage: string): Answer {
  return { case: "errorResponse", value: { errorCode, errorMessage } };
}

import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { create, createFileRegistry, fromBinary, type MessageInitShape } from "@bufbuild/protobuf";
import { FileDescriptorProtoSchema, FileDescriptorSetSchema } from "@bufbuild/protobuf/wkt";
import { Code, createClient, createRouterTransport } from "@connectrpc/connect";
import {
  ServerReflection,
  type ServerReflectionRequestSchema,
} from "@hodei/proto/grpc/reflection/v1/reflection";
import { ServerReflection as ServerReflectionV1Alpha } from "@hodei/proto/grpc/reflection/v1alpha/reflection";
import { JobService } from "@hodei/proto/hodei/v1/job_service";
import { LogService } from "@hodei/proto/hodei/v1/log_service";
import { reflectionServices } from "./reflection.ts";

type Question = NonNullable<
  MessageInitShape<typeof ServerReflectionRequestSchema>["messageRequest"]
>;

const services = reflectionServices([JobService, LogService]);
const transport = createRouterTransport((router) => {
  router.service(ServerReflection, services.v1);
  router.service(ServerReflectionV1Alpha, services.v1alpha);
});

for (const version of [ServerReflection, ServerReflectionV1Alpha] as const) {
  suite(version.typeName, () => {
    async function ask(...questions: Question[]) {
      const client = createClient(version as typeof ServerReflection, transport);
      const requests = async function* () {
        for (const messageRequest of questions) yield { host: "h", messageRequest };
      };
      const answers = [];
      for await (const response of client.serverReflectionInfo(requests())) {
        assert.equal(response.validHost, "h");
        assert.equal(response.originalRequest?.host, "h");
        answers.push(response.messageResponse);
      }
      assert.equal(answers.length, questions.length);
      return answers;
    }

    async function filesOf(question: Question): Promise<string[]> {
      const [answer] = await ask(question);
      assert.ok(answer?.case === "fileDescriptorResponse");
      const file = answer.value.fileDescriptorProto.map((bytes) =>
        fromBinary(FileDescriptorProtoSchema, bytes),
      );
      // Complete: a registry can be built of it.
      createFileRegistry(create(FileDescriptorSetSchema, { file: file.toReversed() }));
      return file.map(({ name }) => name);
    }

    test("lists the services", async () => {
      const [answer] = await ask({ case: "listServices", value: "" });
      assert.ok(answer?.case === "listServicesResponse");
      assert.deepEqual(
        answer.value.service.map(({ name }) => name),
        ["hodei.v1.JobService", "hodei.v1.LogService"],
      );
    });

    test("gives the file of each kind of symbol, with all that it imports", async () => {
      const symbols = {
        "hodei.v1.JobService": "hodei/v1/job_service.proto",
        "hodei.v1.JobService.CreateJob": "hodei/v1/job_service.proto",
        "hodei.v1.JobSpec": "hodei/v1/job.proto",
        "hodei.v1.JobState": "hodei/v1/job.proto",
        "google.protobuf.Timestamp": "google/protobuf/timestamp.proto",
        "buf.validate.field": "buf/validate/validate.proto",
      };
      for (const [value, file] of Object.entries(symbols)) {
        const [first] = await filesOf({ case: "fileContainingSymbol", value });
        assert.equal(first, file, value);
      }
      const files = await filesOf({ case: "fileContainingSymbol", value: "hodei.v1.JobService" });
      for (const name of ["hodei/v1/job.proto", "buf/validate/validate.proto"]) {
        assert.ok(files.includes(name), name);
      }
    });

    test("gives files by name, those of others too", async () => {
      for (const value of ["hodei/v1/job.proto", "google/protobuf/duration.proto"]) {
        assert.equal((await filesOf({ case: "fileByFilename", value }))[0], value);
      }
    });

    test("knows extensions", async () => {
      const containingType = "google.protobuf.FieldOptions";
      const extension = { containingType, extensionNumber: 1159 };
      const [file] = await filesOf({ case: "fileContainingExtension", value: extension });
      assert.equal(file, "buf/validate/validate.proto");
      const [answer] = await ask({ case: "allExtensionNumbersOfType", value: containingType });
      assert.ok(answer?.case === "allExtensionNumbersResponse");
      assert.deepEqual(answer.value.extensionNumber, [1159, 1160]);
    });

    test("answers what it does not know with an error, and goes on", async () => {
      const answers = await ask(
        { case: "fileByFilename", value: "no.proto" },
        { case: "fileContainingSymbol", value: "no.Symbol" },
        { case: "fileContainingExtension", value: { containingType: "x", extensionNumber: 1 } },
        { case: "allExtensionNumbersOfType", value: "no.Type" },
        { case: undefined },
        { case: "listServices", value: "" },
      );
      const codes = answers.map((answer) =>
        answer.case === "errorResponse" ? answer.value.errorCode : undefined,
      );
      const { NotFound, InvalidArgument } = Code;
      assert.deepEqual(codes, [NotFound, NotFound, NotFound, NotFound, InvalidArgument, undefined]);
    });
  });
}
